//! Several models behind one server: the model under test, an attacker, guards and a judge.

use std::path::Path;
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::support::stub::{Stub, chat};
use crate::support::write;

/// One server that is several models, told apart by the `model` of a request.
pub struct Cast {
    pub stub: Stub,
    heard: Arc<Mutex<Vec<Value>>>,
}

impl Cast {
    /// `answer` is given the role, how often it has spoken before, and the request.
    pub async fn start(answer: impl Fn(&str, usize, &Value) -> String + Send + Sync + 'static) -> Self {
        let heard: Arc<Mutex<Vec<Value>>> = Arc::default();
        let all = Arc::clone(&heard);
        let stub = Stub::start(move |_, body| {
            let body: Value = serde_json::from_str(body).unwrap();
            let mut all = all.lock().unwrap();
            let role = body["model"].as_str().unwrap();
            let before = all.iter().filter(|other| other["model"] == role).count();
            let reply = chat(&answer(role, before, &body));
            all.push(body);
            reply
        });
        Self { stub: stub.await.unwrap(), heard }
    }

    /// A server that answers by itself.
    pub fn of(stub: Stub) -> Self {
        Self { stub, heard: Arc::default() }
    }

    /// What a role was asked, in order.
    pub fn asked(&self, role: &str) -> Vec<Value> {
        self.heard.lock().unwrap().iter().filter(|body| body["model"] == role).cloned().collect()
    }

    /// Writes a policy whose models are all here.
    pub fn policy(&self, folder: &Path, safety: &str, more: &str) {
        let model = |name: &str| {
            format!("  {name}: {{provider: openai, base_url: \"{}\", model: {name}, api: chat}}\n", self.stub.base)
        };
        let models: String = ["target", "attacker", "guard", "second", "judge"].map(model).concat();
        let text = format!(
            "version: 1\nmodels:\n{models}gate: {{model: target, preflight: warn}}\n{more}safety:\n  suites: [probes.yaml]\n  \
             prompts_per_hazard: 1000\n{safety}"
        );
        write(folder, "llmci.yaml", &text);
    }
}

/// What the users of a conversation have said.
pub fn users(body: &Value) -> Vec<String> {
    let messages = body["messages"].as_array().unwrap().iter().filter(|message| message["role"] == "user");
    messages.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}
