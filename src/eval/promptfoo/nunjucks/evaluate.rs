//! Renders a tree. Scopes are those of nunjucks: `set` reaches the outer variable of that name, a loop has a scope and an `if` has
//! none, a macro sees the vars and what was set at the top. Kept out: values (`value`), members and methods (`members`), filters.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::{Map, Value};

use super::filters;
use super::is::is;
use super::members;
use super::parse::{Arguments, Definition, Expression, Node, Operator, Setting};
use super::value::{Function, Js, LONGEST, apply, fits};
use super::{Filters, TemplateError};

/// Nodes and expressions that one rendering may evaluate.
const FUEL: u32 = 2_000_000;
/// Bytes of a value that is made or copied, for which one step is taken.
const BYTES_A_STEP: usize = 64;
/// Macros in one another.
const DEEPEST: u32 = 40;

/// A scope.
pub(super) struct Frame<'v> {
    variables: RefCell<Vec<(String, Js<'v>)>>,
    named: RefCell<Vec<String>>,
    parent: Option<Rc<Frame<'v>>>,
    /// `set` in it reaches no further.
    isolated: bool,
    top: bool,
}

impl<'v> Frame<'v> {
    fn new(parent: Option<Rc<Frame<'v>>>, isolated: bool, top: bool) -> Rc<Self> {
        Rc::new(Self { variables: RefCell::default(), named: RefCell::default(), parent, isolated, top })
    }

    /// A variable of this scope. What a loop or a macro has named is its own even where it is undefined; what was set to nothing is
    /// looked for further out.
    fn own(&self, name: &str) -> Option<Js<'v>> {
        let variables = self.variables.borrow();
        let value = variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        value.filter(|value| !matches!(value, Js::Undefined) || self.named.borrow().iter().any(|named| named == name))
    }

    /// Gives one of the names of a loop or a macro its value.
    fn name(&self, name: &str, value: Js<'v>) {
        let mut named = self.named.borrow_mut();
        if !named.iter().any(|known| known == name) {
            named.push(name.to_owned());
        }
        self.put(name, value);
    }

    fn lookup(&self, name: &str) -> Option<Js<'v>> {
        self.own(name).or_else(|| self.parent.as_ref().and_then(|parent| parent.lookup(name)))
    }

    fn put(&self, name: &str, value: Js<'v>) {
        let mut variables = self.variables.borrow_mut();
        match variables.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => variables.push((name.to_owned(), value)),
        }
    }

    /// Sets it where it is known, else here.
    fn set(&self, name: &str, value: Js<'v>) {
        let mut frame = Some(self);
        while let Some(here) = frame {
            if here.own(name).is_some() {
                return here.put(name, value);
            }
            frame = if here.isolated { None } else { here.parent.as_deref() };
        }
        self.put(name, value);
    }
}

struct Renderer<'v> {
    vars: &'v Map<String, Value>,
    /// What was set at the top: macros see it.
    set: RefCell<Vec<(String, Js<'v>)>>,
    environment: Value,
    /// The config's own.
    filters: Filters<'v>,
    fuel: Cell<u32>,
    depth: Cell<u32>,
}

type Evaluated<T> = Result<T, TemplateError>;

/// Renders nodes over vars.
pub(super) fn render(
    nodes: &[Node],
    vars: &Map<String, Value>,
    environment: &BTreeMap<String, String>,
    filters: Filters<'_>,
) -> Evaluated<String> {
    let environment = environment.iter().map(|(name, value)| (name.clone(), Value::from(value.as_str())));
    let renderer = Renderer {
        vars,
        set: RefCell::default(),
        environment: Value::Object(environment.collect()),
        filters,
        fuel: Cell::new(FUEL),
        depth: Cell::new(0),
    };
    let mut out = String::new();
    renderer.nodes(nodes, &Frame::new(None, false, true), &mut out)?;
    Ok(out)
}

impl<'v> Renderer<'v> {
    fn burn(&self) -> Evaluated<()> {
        self.burn_steps(1)
    }

    fn burn_steps(&self, steps: u32) -> Evaluated<()> {
        match self.fuel.get().checked_sub(steps) {
            Some(left) => {
                self.fuel.set(left);
                Ok(())
            }
            None => Err(TemplateError::new("the template takes too many steps")),
        }
    }

    fn filtered(
        &self,
        name: &str,
        input: Js<'v>,
        listed: Vec<Js<'v>>,
        named: Vec<(String, Js<'v>)>,
    ) -> Evaluated<Js<'v>> {
        let given = || {
            let mut given: Vec<Value> =
                std::iter::once(&input).chain(&listed).map(|one| one.clone().into_value()).collect();
            if !named.is_empty() {
                let named = named.iter().map(|(name, value)| (name.clone(), value.clone().into_value()));
                given.push(Value::Object(named.collect()));
            }
            given
        };
        match (self.filters)(name, &given) {
            Some(said) => said.map(Js::owned).map_err(|why| TemplateError::new(format!("the filter `{name}`: {why}"))),
            None => filters::apply(name, input, listed, named),
        }
    }

    fn nodes(&self, nodes: &'v [Node], frame: &Rc<Frame<'v>>, out: &mut String) -> Evaluated<()> {
        for node in nodes {
            self.burn()?;
            if out.len() > LONGEST {
                return Err(TemplateError::new(format!("the template gives more than {LONGEST} bytes")));
            }
            self.node(node, frame, out)?;
        }
        Ok(())
    }

    fn rendered(&self, nodes: &'v [Node], frame: &Rc<Frame<'v>>) -> Evaluated<String> {
        let mut text = String::new();
        self.nodes(nodes, frame, &mut text)?;
        Ok(text)
    }

    fn node(&self, node: &'v Node, frame: &Rc<Frame<'v>>, out: &mut String) -> Evaluated<()> {
        match node {
            Node::Data(text) => out.push_str(text),
            Node::Print(expression) => out.push_str(&self.value(expression, frame)?.printed()?),
            Node::If { arms, otherwise } => {
                for (condition, body) in arms {
                    if self.value(condition, frame)?.is_true() {
                        return self.nodes(body, frame, out);
                    }
                }
                self.nodes(otherwise, frame, out)?;
            }
            Node::For { names, over, body, otherwise } => self.for_loop(names, over, body, otherwise, frame, out)?,
            Node::Set { names, value } => {
                let value = match value {
                    Setting::To(expression) => self.value(expression, frame)?,
                    Setting::Rendered(nodes) => Js::text(self.rendered(nodes, frame)?),
                };
                for name in names {
                    frame.set(name, value.clone());
                    self.publish(name, value.clone(), frame);
                }
            }
            Node::Macro { name, definition } => {
                let function = Js::Function(Function::Macro(definition));
                frame.put(name, function.clone());
                self.publish(name, function, frame);
            }
            Node::Call { call, caller } => {
                let caller = Js::Function(Function::Caller(caller, Rc::clone(frame)));
                let Expression::Call(function, arguments) = call else {
                    return Err(TemplateError::new("`call` calls a macro"));
                };
                let function = self.value(function, frame)?;
                let (listed, mut named) = self.arguments(arguments, frame)?;
                named.push(("caller".to_owned(), caller));
                out.push_str(&self.call(&function, "a macro", listed, named)?.printed()?);
            }
            Node::Filtered { name, arguments, body } => {
                let input = Js::text(self.rendered(body, frame)?);
                let (listed, named) = self.arguments(arguments, frame)?;
                out.push_str(&self.filtered(name, input, listed, named)?.printed()?);
            }
            Node::Switch { over, arms, otherwise } => {
                let over = self.value(over, frame)?;
                // An empty case falls through to the next one that is not, as in JavaScript after which it is modelled.
                let mut matched = false;
                for (value, body) in arms {
                    matched = matched || super::value::strictly_equal(&over, &self.value(value, frame)?);
                    if matched && !body.is_empty() {
                        return self.nodes(body, frame, out);
                    }
                }
                self.nodes(otherwise, frame, out)?;
            }
            Node::Body(nodes) => self.nodes(nodes, frame, out)?,
        }
        Ok(())
    }

    fn publish(&self, name: &str, value: Js<'v>, frame: &Frame<'v>) {
        if !frame.top {
            return;
        }
        let mut set = self.set.borrow_mut();
        match set.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => set.push((name.to_owned(), value)),
        }
    }

    fn for_loop(
        &self,
        names: &'v [String],
        over: &'v Expression,
        body: &'v [Node],
        otherwise: &'v [Node],
        frame: &Rc<Frame<'v>>,
        out: &mut String,
    ) -> Evaluated<()> {
        let over = self.value(over, frame)?;
        let rows = rows(&over, names.len());
        let inner = Frame::new(Some(Rc::clone(frame)), false, false);
        let count = rows.len();
        for (index, row) in rows.into_iter().enumerate() {
            let mut row = row.into_iter();
            for name in names {
                inner.name(name, row.next().unwrap_or(Js::Undefined));
            }
            let number = |number: usize| Value::from(number);
            let about = Map::from_iter([
                ("index".to_owned(), number(index + 1)),
                ("index0".to_owned(), number(index)),
                ("revindex".to_owned(), number(count - index)),
                ("revindex0".to_owned(), number(count - index - 1)),
                ("first".to_owned(), Value::Bool(index == 0)),
                ("last".to_owned(), Value::Bool(index + 1 == count)),
                ("length".to_owned(), number(count)),
            ]);
            inner.put("loop", Js::owned(Value::Object(about)));
            self.burn()?;
            self.nodes(body, &inner, out)?;
        }
        if count == 0 { self.nodes(otherwise, frame, out) } else { Ok(()) }
    }

    fn name(&self, name: &str, frame: &Frame<'v>) -> Js<'v> {
        if let Some(value) = frame.lookup(name) {
            return value;
        }
        if let Some((_, value)) = self.set.borrow().iter().find(|(known, _)| known == name) {
            return value.clone();
        }
        match (self.vars.get(name), name) {
            (Some(value), _) => Js::Plain(Cow::Borrowed(value)),
            (None, "env") => Js::owned(self.environment.clone()),
            (None, "range") => Js::Function(Function::Range),
            (None, _) => Js::Undefined,
        }
    }

    /// What an expression gives. Whoever makes or copies much pays for it: doubling a text or a list again and again ends soon.
    fn value(&self, expression: &'v Expression, frame: &Rc<Frame<'v>>) -> Evaluated<Js<'v>> {
        self.burn()?;
        let value = self.unpaid(expression, frame)?;
        let bytes = value.owned_bytes();
        fits(bytes)?;
        self.burn_steps(u32::try_from(bytes / BYTES_A_STEP).unwrap_or(u32::MAX))?;
        Ok(value)
    }

    fn unpaid(&self, expression: &'v Expression, frame: &Rc<Frame<'v>>) -> Evaluated<Js<'v>> {
        Ok(match expression {
            Expression::Text(text) => Js::text(text.as_str()),
            Expression::Number(number) => Js::number(*number),
            Expression::Flag(flag) => Js::flag(*flag),
            Expression::Null => Js::owned(Value::Null),
            Expression::Name(name) => self.name(name, frame),
            Expression::List(items) => {
                let items = items.iter().map(|item| Ok(self.value(item, frame)?.into_value()));
                Js::owned(Value::Array(items.collect::<Evaluated<_>>()?))
            }
            Expression::Group(items) => {
                let mut last = Js::Undefined;
                for item in items {
                    last = self.value(item, frame)?;
                }
                last
            }
            Expression::Dict(pairs) => {
                let pair = |(key, value): &'v (Expression, Expression)| {
                    Ok((self.value(key, frame)?.string(), self.value(value, frame)?.into_value()))
                };
                Js::owned(Value::Object(pairs.iter().map(pair).collect::<Evaluated<_>>()?))
            }
            Expression::Member(object, key) => {
                let object = self.value(object, frame)?;
                let key = self.value(key, frame)?;
                members::member(object, &key)
            }
            Expression::Call(function, arguments) => {
                let called = self.value(function, frame)?;
                let (listed, named) = self.arguments(arguments, frame)?;
                self.call(&called, &called_name(function), listed, named)?
            }
            Expression::Filter { name, input, arguments } => {
                let input = self.value(input, frame)?;
                let (listed, named) = self.arguments(arguments, frame)?;
                self.filtered(name, input, listed, named)?
            }
            Expression::Test { input, name, argument } => {
                let input = self.value(input, frame)?;
                let argument = match argument {
                    Some(argument) => self.value(argument, frame)?,
                    None => Js::Undefined,
                };
                Js::flag(is(name, &input, &argument)?)
            }
            Expression::Either { then, condition, otherwise } => {
                if self.value(condition, frame)?.is_true() {
                    self.value(then, frame)?
                } else {
                    match otherwise {
                        Some(otherwise) => self.value(otherwise, frame)?,
                        None => Js::text(""),
                    }
                }
            }
            Expression::Binary(operator, left, right) => {
                let left = self.value(left, frame)?;
                match (operator, left.is_true()) {
                    (Operator::Or, true) | (Operator::And, false) => left,
                    _ => apply(*operator, &left, &self.value(right, frame)?)?,
                }
            }
            Expression::Not(inner) => Js::flag(!self.value(inner, frame)?.is_true()),
            Expression::Negative(inner) => Js::number(-self.value(inner, frame)?.to_number()),
            Expression::Positive(inner) => Js::number(self.value(inner, frame)?.to_number()),
        })
    }

    fn arguments(&self, arguments: &'v Arguments, frame: &Rc<Frame<'v>>) -> Evaluated<Passed<'v>> {
        let listed = arguments.listed.iter().map(|argument| self.value(argument, frame)).collect::<Evaluated<_>>()?;
        let named = arguments.named.iter().map(|(name, argument)| Ok((name.clone(), self.value(argument, frame)?)));
        Ok((listed, named.collect::<Evaluated<_>>()?))
    }

    fn call(
        &self,
        function: &Js<'v>,
        name: &str,
        listed: Vec<Js<'v>>,
        named: Vec<(String, Js<'v>)>,
    ) -> Evaluated<Js<'v>> {
        match function {
            Js::Function(Function::Macro(definition)) => {
                self.run(definition, Frame::new(None, false, false), listed, named)
            }
            Js::Function(Function::Caller(definition, around)) => {
                self.run(definition, Frame::new(Some(Rc::clone(around)), true, false), listed, named)
            }
            Js::Function(Function::Method(object, method)) => members::call(object, method, &listed),
            Js::Function(Function::Range) => range(&listed),
            Js::Undefined | Js::Strange(_) | Js::Plain(_) => {
                Err(TemplateError::new(format!("`{name}` is called, and is no function")))
            }
        }
    }

    fn run(
        &self,
        definition: &'v Definition,
        frame: Rc<Frame<'v>>,
        listed: Vec<Js<'v>>,
        mut named: Vec<(String, Js<'v>)>,
    ) -> Evaluated<Js<'v>> {
        if self.depth.get() >= DEEPEST {
            return Err(TemplateError::new("macros call one another without end"));
        }
        let mut take = |name: &str| {
            let at = named.iter().position(|(known, _)| known == name)?;
            Some(named.swap_remove(at).1)
        };
        if let Some(caller) = take("caller") {
            frame.put("caller", caller);
        }
        let mut listed = listed.into_iter();
        for name in &definition.names {
            let value = listed.next().or_else(|| take(name)).unwrap_or(Js::Undefined);
            frame.name(name, value);
        }
        for (name, default) in &definition.defaults {
            let value = match take(name).or_else(|| listed.next()) {
                Some(value) => value,
                None => self.value(default, &frame)?,
            };
            frame.put(name, value);
        }
        self.depth.set(self.depth.get() + 1);
        let text = self.rendered(&definition.body, &frame);
        self.depth.set(self.depth.get() - 1);
        Ok(Js::text(text?))
    }
}

/// What is passed to a call: by place, and by name.
type Passed<'v> = (Vec<Js<'v>>, Vec<(String, Js<'v>)>);

fn called_name(expression: &Expression) -> String {
    match expression {
        Expression::Name(name) => name.clone(),
        Expression::Member(_, key) => match key.as_ref() {
            Expression::Text(name) => name.clone(),
            _ => "a member".to_owned(),
        },
        _ => "an expression".to_owned(),
    }
}

/// What a loop goes over: items, letters, or the pairs of an object where it has two names.
fn rows<'v>(over: &Js<'v>, names: usize) -> Vec<Vec<Js<'v>>> {
    let Js::Plain(value) = over else { return Vec::new() };
    if names == 1 {
        return members::items(value).into_iter().map(|item| vec![item]).collect();
    }
    match value.as_ref() {
        Value::Array(_) => members::items(value)
            .into_iter()
            .map(|item| match &item {
                Js::Plain(row) => members::items(row),
                Js::Undefined | Js::Strange(_) | Js::Function(_) => Vec::new(),
            })
            .collect(),
        Value::Object(fields) => {
            fields.iter().map(|(key, item)| vec![Js::text(key.as_str()), Js::owned(item.clone())]).collect()
        }
        // A text with two names gives its places and letters, as `for ... in` does.
        Value::String(text) => {
            let letter = |(index, unit): (usize, u16)| {
                vec![Js::text(index.to_string()), Js::text(String::from_utf16_lossy(&[unit]))]
            };
            text.encode_utf16().enumerate().map(letter).collect()
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// `range(stop)`, `range(start, stop)`, `range(start, stop, step)`.
fn range<'v>(listed: &[Js<'v>]) -> Evaluated<Js<'v>> {
    let number = |index: usize| listed.get(index).map(Js::to_number);
    let (start, stop, step) = match (number(0), number(1), number(2)) {
        (Some(stop), None, _) => (0.0, stop, 1.0),
        (Some(start), Some(stop), step) => (start, stop, step.filter(|step| *step != 0.0).unwrap_or(1.0)),
        (None, _, _) => return Ok(Js::owned(Value::Array(Vec::new()))),
    };
    let mut items = Vec::new();
    let mut next = start;
    while if step > 0.0 { next < stop } else { next > stop } {
        items.push(Js::number(next).into_value());
        next += step;
        if items.len() > 100_000 {
            return Err(TemplateError::new("a range of more than 100000 numbers"));
        }
    }
    Ok(Js::owned(Value::Array(items)))
}
