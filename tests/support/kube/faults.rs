//! What tests see of the calls, and how they disturb them.

use std::time::Duration;

/// A call that came in.
#[derive(Clone, Debug)]
pub struct Call {
    /// From 1.
    pub number: usize,
    pub method: String,
    pub path: String,
    pub query: String,
    pub content_type: String,
    pub body: String,
    /// When it came in, by the cluster's clock, in milliseconds since 1970.
    pub time: i64,
    /// What was answered; 0 before, and where nothing was.
    pub status: u16,
}

impl Call {
    /// Whether it asks for a change.
    pub fn writes(&self) -> bool {
        self.method != "GET" && !self.path.contains("/selfsubjectaccessreviews")
    }
}

/// What happens to a call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This status, with a Status of this reason; nothing is done.
    Status(u16, &'static str),
    /// The connection is closed; nothing is done.
    Close,
    /// What is asked is done, and the connection closed without an answer.
    CloseAfter,
    /// The answer comes late.
    Delay(Duration),
}

/// When a hook runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// The call was served; its answer is not yet sent.
    BeforeAnswer(usize),
    /// The answer was sent.
    AfterAnswer(usize),
    /// As `BeforeAnswer`, counting changes only.
    BeforeAnswerOfWrite(usize),
    /// As `AfterAnswer`, counting changes only.
    AfterAnswerOfWrite(usize),
}

/// Something that a test does at a moment.
pub struct Hook {
    pub when: When,
    pub what: Option<Box<dyn FnOnce() + Send>>,
}
