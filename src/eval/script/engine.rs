//! The engine: one runtime a thread, one context a run. Kept out: what its results mean.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Instant;

use rquickjs::context::EvalOptions;
use rquickjs::function::{Args, Constructor};
use rquickjs::promise::PromiseState;
use rquickjs::{Array, CaughtError, Context, Ctx, Error, Exception, Function, Module, Object, Promise, Runtime, Value};

use super::{Fault, Form, MEMORY_LIMIT, Returned, STACK_LIMIT, ScriptError, TIME_LIMIT};

/// What every script finds around it.
const PRELUDE: &str = include_str!("prelude.js");
/// The name of the script in the engine's traces.
const NAME: &str = "script";
/// Lines that `new Function` puts before the source.
const LINES_OF_FUNCTION: u32 = 2;

/// A runtime with its limits.
pub(super) struct Engine {
    runtime: Runtime,
    deadline: Rc<Cell<Option<Instant>>>,
}

/// What the prelude leaves for us.
struct Around<'js> {
    /// Runs the next timer, and says whether there was one.
    advance: Function<'js>,
    /// The `require` of CommonJS, which only says what is missing.
    require: Function<'js>,
}

/// A fault of ours, or one of the engine's that stands in its context.
enum Failure {
    Ours(ScriptError),
    Theirs(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Theirs(error)
    }
}

impl From<ScriptError> for Failure {
    fn from(error: ScriptError) -> Self {
        Failure::Ours(error)
    }
}

impl Engine {
    pub(super) fn new() -> Result<Self, ScriptError> {
        let runtime = Runtime::new().map_err(engine_fault)?;
        runtime.set_memory_limit(MEMORY_LIMIT);
        runtime.set_max_stack_size(STACK_LIMIT);
        let deadline: Rc<Cell<Option<Instant>>> = Rc::default();
        let seen = Rc::clone(&deadline);
        runtime.set_interrupt_handler(Some(Box::new(move || seen.get().is_some_and(|end| Instant::now() >= end))));
        Ok(Self { runtime, deadline })
    }

    pub(super) fn run(
        &self,
        source: &str,
        form: &Form,
        arguments: &[(String, serde_json::Value)],
    ) -> Result<Returned, ScriptError> {
        let context = Context::full(&self.runtime).map_err(engine_fault)?;
        let end = Instant::now() + TIME_LIMIT;
        self.deadline.set(Some(end));
        let result = context.with(|ctx| {
            run_in(&ctx, source, form, arguments, end).map_err(|failure| match failure {
                Failure::Ours(error) => error,
                Failure::Theirs(error) => self.told(&ctx, error, form, end),
            })
        });
        self.deadline.set(None);
        drop(context);
        result
    }

    /// The engine's error in our words.
    fn told(&self, ctx: &Ctx<'_>, error: Error, form: &Form, end: Instant) -> ScriptError {
        // Reading a thrown value can run the script again, which the handler then ends at once.
        let late = Instant::now() >= end;
        let (message, stack) = match CaughtError::from_error(ctx, error) {
            CaughtError::Exception(exception) => {
                let name = exception.as_object().get::<_, String>("name").unwrap_or_default();
                let message = exception.message().unwrap_or_default();
                let stack = exception.stack().unwrap_or_default();
                (if name.is_empty() { message } else { format!("{name}: {message}") }, stack)
            }
            CaughtError::Value(value) => (thrown_value(ctx, &value), String::new()),
            CaughtError::Error(error) => (error.to_string(), String::new()),
        };
        if late {
            return super::late();
        }
        if message.contains("out of memory") {
            return ScriptError::new(
                Fault::Memory,
                format!("the script took more than {} MiB of memory", MEMORY_LIMIT / (1024 * 1024)),
            );
        }
        let message = match message.split_once("could not load module") {
            Some((_, name)) => {
                format!("Cannot find module{name}: scripts run in an embedded engine that has no modules")
            }
            None => message,
        };
        let before = match form {
            Form::Body => LINES_OF_FUNCTION,
            Form::Function(_) | Form::Export(_) => 0,
        };
        let mut told = ScriptError::new(Fault::Thrown, message);
        told.line = line_in(&stack).and_then(|line| line.checked_sub(before)).filter(|line| *line > 0);
        told
    }
}

fn engine_fault(error: Error) -> ScriptError {
    ScriptError::new(Fault::Engine, format!("the JavaScript engine does not start: {error}"))
}

/// A thrown value that is no error, in words.
fn thrown_value<'js>(ctx: &Ctx<'js>, value: &Value<'js>) -> String {
    if value.is_null() {
        // What the engine throws when there is no memory left for an error.
        return "null was thrown, or out of memory".to_owned();
    }
    match Returned::read(ctx, value) {
        Ok(Returned::Value(serde_json::Value::String(text))) => text,
        Ok(Returned::Value(value)) => value.to_string(),
        Ok(other) => format!("a value of type {} was thrown", other.type_of()),
        Err(_) => "a value was thrown that cannot be read".to_owned(),
    }
}

/// The first line of the script in a trace: `at name (file:line:column)`.
fn line_in(stack: &str) -> Option<u32> {
    stack.lines().find_map(|frame| {
        let place = frame.trim().trim_end_matches(')');
        let (rest, _column) = place.rsplit_once(':')?;
        let (file, line) = rest.rsplit_once(':')?;
        let ours = file.ends_with(NAME) || file.ends_with("<input>") || file.ends_with("<evalScript>");
        if ours { line.parse().ok() } else { None }
    })
}

fn run_in<'js>(
    ctx: &Ctx<'js>,
    source: &str,
    form: &Form,
    arguments: &[(String, serde_json::Value)],
    end: Instant,
) -> Result<Returned, Failure> {
    let around: Array<'js> = ctx.eval_with_options(PRELUDE, options("prelude"))?;
    let around = Around { advance: around.get(0)?, require: around.get(1)? };
    let mut given = Vec::with_capacity(arguments.len());
    for (_, value) in arguments {
        given.push(ctx.json_parse(serde_json::to_string(value).map_err(ScriptError::from)?)?);
    }
    let called = match form {
        Form::Body => {
            let make: Constructor<'js> = ctx.globals().get("Function")?;
            let mut texts = Args::new(ctx.clone(), arguments.len() + 1);
            for (name, _) in arguments {
                texts.push_arg(name.as_str())?;
            }
            texts.push_arg(source)?;
            make.construct_args::<Function<'js>>(texts)?.into_value()
        }
        Form::Function(name) | Form::Export(name) => {
            let exports = exports(ctx, source, &around, end)?;
            export(exports, name.as_deref())?
        }
    };
    let value = match (called.as_function(), form) {
        (Some(function), _) => {
            let mut values = Args::new(ctx.clone(), given.len());
            for value in given {
                values.push_arg(value)?;
            }
            function.call_arg::<Value<'js>>(values)?
        }
        (None, Form::Export(_)) => called,
        (None, Form::Body | Form::Function(_)) => {
            return Err(ScriptError::new(Fault::Export, "the script exports no function").into());
        }
    };
    let value = settled(ctx, value, &around, end)?;
    let returned = Returned::read(ctx, &value)?;
    if Instant::now() >= end {
        return Err(Error::Exception.into());
    }
    Ok(returned)
}

fn options(name: &str) -> EvalOptions {
    let mut options = EvalOptions::default();
    options.strict = false;
    options.filename = Some(name.to_owned());
    options
}

/// What a file exports: `module.exports` of CommonJS, else the namespace of the module. As Node does, the text decides which of
/// the two it is: what parses as a function's body is CommonJS.
fn exports<'js>(ctx: &Ctx<'js>, source: &str, around: &Around<'js>, end: Instant) -> Result<Value<'js>, Failure> {
    let source = source.strip_prefix('\u{feff}').unwrap_or(source);
    let source = if source.starts_with("#!") { format!("//{source}") } else { source.to_owned() };
    // On one line with the source, so that lines stay what they are.
    let wrapped = format!("(function (exports, require, module, __filename, __dirname) {{{source}\n}})");
    match ctx.eval_with_options::<Function<'js>, _>(wrapped, options(NAME)) {
        Ok(function) => {
            let module = Object::new(ctx.clone())?;
            let exports = Object::new(ctx.clone())?;
            module.set("exports", exports.clone())?;
            function.call::<_, Value<'js>>((exports, around.require.clone(), module.clone(), NAME, "."))?;
            Ok(module.get("exports")?)
        }
        Err(as_function) => {
            let thrown = CaughtError::from_error(ctx, as_function);
            match Module::declare(ctx.clone(), NAME, source.clone()) {
                Ok(module) => {
                    let (module, promise) = module.eval()?;
                    settled(ctx, promise.into_value(), around, end)?;
                    Ok(module.namespace()?.into_value())
                }
                Err(as_module) => {
                    let is_module = source.lines().any(|line| {
                        let line = line.trim_start();
                        line.starts_with("export ") || line.starts_with("import ")
                    });
                    Err(if is_module { as_module } else { thrown.throw(ctx) }.into())
                }
            }
        }
    }
}

/// The export that is meant: the default one (of a module that was once CommonJS, the default of the default), or the one of
/// a name.
fn export<'js>(exports: Value<'js>, name: Option<&str>) -> Result<Value<'js>, Failure> {
    let part = |value: &Value<'js>, name: &str| -> Result<Option<Value<'js>>, Error> {
        match value.as_object() {
            Some(object) => Ok(Some(object.get::<_, Value<'js>>(name)?).filter(|part| !part.is_undefined())),
            None => Ok(None),
        }
    };
    let mut main = exports.clone();
    for _ in 0..2 {
        if let Some(inner) = part(&main, "default")? {
            main = inner;
        }
    }
    let Some(name) = name else { return Ok(main) };
    if let Some(found) = part(&main, name)? {
        return Ok(found);
    }
    part(&exports, name)?
        .ok_or_else(|| ScriptError::new(Fault::Export, format!("the script exports no `{name}`")).into())
}

/// The value of a promise, driven to its end; any other value is itself.
fn settled<'js>(ctx: &Ctx<'js>, value: Value<'js>, around: &Around<'js>, end: Instant) -> Result<Value<'js>, Failure> {
    // Through the engine's own `resolve`, so that every object with a `then` is awaited.
    let is_thenable = match value.as_object() {
        Some(object) => object.get::<_, Value<'js>>("then")?.is_function(),
        None => false,
    };
    if !is_thenable {
        return Ok(value);
    }
    let (promise, resolve, _reject) = Promise::new(ctx)?;
    resolve.call::<_, ()>((value,))?;
    loop {
        match promise.state() {
            PromiseState::Resolved | PromiseState::Rejected => {
                return match promise.result::<Value<'js>>() {
                    Some(result) => Ok(result?),
                    None => Err(Exception::throw_message(ctx, "the promise has no result").into()),
                };
            }
            PromiseState::Pending => {}
        }
        if Instant::now() >= end {
            return Err(Error::Exception.into());
        }
        if !ctx.execute_pending_job() && !around.advance.call::<_, bool>(())? {
            return Err(ScriptError::new(Fault::Pending, "the script waits for something that never comes").into());
        }
    }
}
