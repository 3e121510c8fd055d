//! The tree of a template. Kept out: how it is read (`parse`) and rendered (`evaluate`).

/// What is printed or done.
#[derive(Debug)]
pub(super) enum Node {
    Data(String),
    Print(Expression),
    If { arms: Vec<(Expression, Vec<Node>)>, otherwise: Vec<Node> },
    For { names: Vec<String>, over: Expression, body: Vec<Node>, otherwise: Vec<Node> },
    Set { names: Vec<String>, value: Setting },
    Macro { name: String, definition: Definition },
    Call { call: Expression, caller: Definition },
    Filtered { name: String, arguments: Arguments, body: Vec<Node> },
    Switch { over: Expression, arms: Vec<(Expression, Vec<Node>)>, otherwise: Vec<Node> },
    Body(Vec<Node>),
}

/// What a name is set to.
#[derive(Debug)]
pub(super) enum Setting {
    To(Expression),
    Rendered(Vec<Node>),
}

/// A macro, or the body of a call.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) names: Vec<String>,
    pub(super) defaults: Vec<(String, Expression)>,
    pub(super) body: Vec<Node>,
}

#[derive(Debug, Default)]
pub(super) struct Arguments {
    pub(super) listed: Vec<Expression>,
    pub(super) named: Vec<(String, Expression)>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Or,
    And,
    In,
    Concat,
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Remainder,
    Power,
    Equal,
    StrictlyEqual,
    NotEqual,
    StrictlyNotEqual,
    Less,
    Greater,
    LessOrEqual,
    GreaterOrEqual,
}

#[derive(Debug)]
pub(super) enum Expression {
    Text(String),
    Number(f64),
    Flag(bool),
    Null,
    Name(String),
    List(Vec<Expression>),
    Group(Vec<Expression>),
    Dict(Vec<(Expression, Expression)>),
    Member(Box<Expression>, Box<Expression>),
    Call(Box<Expression>, Arguments),
    Filter { name: String, input: Box<Expression>, arguments: Arguments },
    Test { input: Box<Expression>, name: String, argument: Option<Box<Expression>> },
    Either { then: Box<Expression>, condition: Box<Expression>, otherwise: Option<Box<Expression>> },
    Binary(Operator, Box<Expression>, Box<Expression>),
    Not(Box<Expression>),
    Negative(Box<Expression>),
    Positive(Box<Expression>),
}
