//! Expressions of a template, from the loosest binding to the tightest. Follows the grammar of nunjucks 3.2.4.
//! Kept out: blocks (`parse`).

use super::TemplateError;
use super::lex::Token;
use super::parse::{Parsed, Parser, shown};
use super::tree::{Arguments, Expression, Operator};

impl Parser {
    pub(super) fn expression(&mut self) -> Parsed<Expression> {
        self.deeper()?;
        let then = self.or()?;
        let result = if self.skip_word("if") {
            let condition = Box::new(self.or()?);
            let otherwise = if self.skip_word("else") { Some(Box::new(self.or()?)) } else { None };
            Expression::Either { then: Box::new(then), condition, otherwise }
        } else {
            then
        };
        self.depth -= 1;
        Ok(result)
    }

    fn or(&mut self) -> Parsed<Expression> {
        let mut left = self.and()?;
        while self.skip_word("or") {
            left = binary(Operator::Or, left, self.and()?);
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed<Expression> {
        let mut left = self.not()?;
        while self.skip_word("and") {
            left = binary(Operator::And, left, self.not()?);
        }
        Ok(left)
    }

    fn not(&mut self) -> Parsed<Expression> {
        if !self.skip_word("not") {
            return self.within();
        }
        self.deeper()?;
        let inner = self.not()?;
        self.depth -= 1;
        Ok(negated(inner))
    }

    fn within(&mut self) -> Parsed<Expression> {
        let mut left = self.test()?;
        loop {
            let inverted = self.skip_word("not");
            if self.skip_word("in") {
                left = binary(Operator::In, left, self.test()?);
                if inverted {
                    left = Expression::Not(Box::new(left));
                }
            } else if inverted {
                return Err(TemplateError::new("unexpected `not`"));
            } else {
                return Ok(left);
            }
        }
    }

    fn test(&mut self) -> Parsed<Expression> {
        let input = self.comparison()?;
        if !self.skip_word("is") {
            return Ok(input);
        }
        let inverted = self.skip_word("not");
        let (name, argument) = match self.comparison()? {
            Expression::Name(name) => (name, None),
            Expression::Null => ("null".to_owned(), None),
            Expression::Call(name, arguments) => match (*name, arguments.listed.into_iter().next()) {
                (Expression::Name(name), argument) => (name, argument.map(Box::new)),
                _ => return Err(TemplateError::new("the test behind `is` is no name")),
            },
            _ => return Err(TemplateError::new("the test behind `is` is no name")),
        };
        let test = Expression::Test { input: Box::new(input), name, argument };
        Ok(if inverted { Expression::Not(Box::new(test)) } else { test })
    }

    /// Without brackets in JavaScript, too: `a === b < c` compares `b < c` first.
    fn comparison(&mut self) -> Parsed<Expression> {
        const EQUALITY: &[(&str, Operator)] = &[
            ("===", Operator::StrictlyEqual),
            ("!==", Operator::StrictlyNotEqual),
            ("==", Operator::Equal),
            ("!=", Operator::NotEqual),
        ];
        const ORDER: &[(&str, Operator)] = &[
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("<", Operator::Less),
            (">", Operator::Greater),
        ];
        self.chain(EQUALITY, |parser| parser.chain(ORDER, |parser| parser.arithmetic(0)))
    }

    /// nunjucks writes its operators into JavaScript without brackets, so that JavaScript's precedence decides: `~ + -` before
    /// `* / %`. Only `//` and `**` become calls.
    fn arithmetic(&mut self, level: usize) -> Parsed<Expression> {
        const LEVELS: [&[(&str, Operator)]; 4] = [
            &[("~", Operator::Concat), ("+", Operator::Add), ("-", Operator::Subtract)],
            &[("*", Operator::Multiply), ("/", Operator::Divide), ("%", Operator::Remainder)],
            &[("//", Operator::FloorDivide)],
            &[("**", Operator::Power)],
        ];
        match LEVELS.get(level) {
            Some(operators) => self.chain(operators, |parser| parser.arithmetic(level + 1)),
            None => self.unary(true),
        }
    }

    fn chain(
        &mut self,
        operators: &[(&'static str, Operator)],
        next: impl Fn(&mut Self) -> Parsed<Expression>,
    ) -> Parsed<Expression> {
        let mut left = next(self)?;
        'more: loop {
            for (sign, operator) in operators {
                if self.skip(sign) {
                    left = binary(*operator, left, next(self)?);
                    continue 'more;
                }
            }
            return Ok(left);
        }
    }

    fn unary(&mut self, filters: bool) -> Parsed<Expression> {
        self.deeper()?;
        let node = if self.skip("-") {
            match self.unary(false)? {
                // `--` is another operator of JavaScript, and there it fails.
                Expression::Negative(_) => return Err(TemplateError::new("`--` is no sign of a number")),
                inner => Expression::Negative(Box::new(inner)),
            }
        } else if self.skip("+") {
            match self.unary(false)? {
                Expression::Positive(_) => return Err(TemplateError::new("`++` is no sign of a number")),
                inner => Expression::Positive(Box::new(inner)),
            }
        } else {
            self.primary()?
        };
        self.depth -= 1;
        if filters { self.filters(node) } else { Ok(node) }
    }

    fn filters(&mut self, mut input: Expression) -> Parsed<Expression> {
        while self.skip("|") {
            let name = self.filter_name()?;
            let arguments = if self.is_sign("(") { self.arguments()? } else { Arguments::default() };
            input = Expression::Filter { name, input: Box::new(input), arguments };
        }
        Ok(input)
    }

    pub(super) fn filter_name(&mut self) -> Parsed<String> {
        let mut name = self.name("the name of a filter")?;
        while self.skip(".") {
            name = format!("{name}.{}", self.name("the name of a filter")?);
        }
        Ok(name)
    }

    pub(super) fn primary(&mut self) -> Parsed<Expression> {
        let mut node = match self.tokens.next() {
            Some(Token::Text(text)) => Expression::Text(text),
            Some(Token::Number(number)) => Expression::Number(number),
            Some(Token::Name(name)) => match name.as_str() {
                "true" => Expression::Flag(true),
                "false" => Expression::Flag(false),
                "none" | "null" => Expression::Null,
                _ => Expression::Name(name),
            },
            Some(Token::Sign("(")) => Expression::Group(self.listed(")")?),
            Some(Token::Sign("[")) => Expression::List(self.listed("]")?),
            Some(Token::Sign("{")) => self.dict()?,
            Some(other) => return Err(TemplateError::new(format!("unexpected {}", shown(&other)))),
            None => return Err(TemplateError::new("a tag ends too early")),
        };
        loop {
            if self.is_sign("(") {
                node = Expression::Call(Box::new(node), self.arguments()?);
            } else if self.skip("[") {
                let mut index = self.listed("]")?;
                let (Some(index), true) = (index.pop(), index.is_empty()) else {
                    return Err(TemplateError::new("an index is one value"));
                };
                node = Expression::Member(Box::new(node), Box::new(index));
            } else if self.skip(".") {
                let name = self.name("a name behind `.`")?;
                node = Expression::Member(Box::new(node), Box::new(Expression::Text(name)));
            } else {
                return Ok(node);
            }
        }
    }

    fn listed(&mut self, end: &'static str) -> Parsed<Vec<Expression>> {
        let mut items = Vec::new();
        loop {
            if self.skip(end) {
                return Ok(items);
            }
            if !items.is_empty() {
                self.expect(",")?;
            }
            items.push(self.expression()?);
        }
    }

    fn dict(&mut self) -> Parsed<Expression> {
        let mut pairs = Vec::new();
        loop {
            if self.skip("}") {
                return Ok(Expression::Dict(pairs));
            }
            if !pairs.is_empty() {
                self.expect(",")?;
            }
            let key = match self.primary()? {
                // A bare word is its own text.
                Expression::Name(name) => Expression::Text(name),
                other => other,
            };
            self.expect(":")?;
            pairs.push((key, self.expression()?));
        }
    }
}

/// `not a == b` is `!a == b` in JavaScript: without brackets it is the first part alone that is negated.
fn negated(expression: Expression) -> Expression {
    match expression {
        Expression::Binary(operator, left, right)
            if !matches!(operator, Operator::In | Operator::FloorDivide | Operator::Power) =>
        {
            Expression::Binary(operator, Box::new(negated(*left)), right)
        }
        other => Expression::Not(Box::new(other)),
    }
}

fn binary(operator: Operator, left: Expression, right: Expression) -> Expression {
    Expression::Binary(operator, Box::new(left), Box::new(right))
}
