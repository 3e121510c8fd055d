//! The reference flag server: one flag in three places (flagd's ConfigMap, Unleash, a plain address), evaluated by OFREP. It
//! notes everything that a description would not take.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::loopback::{Loopback, Reply, Request, answer};

/// The key of its admin.
pub const ADMIN: &str = "*:*.of-the-admin-00000000";
const STRATEGY: &str = "40132847-1a5a-4851-bdd5-e61512afff3f";
const ENVIRONMENT: &str = "/api/admin/projects/default/features/model/environments/production";
const CONFIG_MAP: &str = "/api/v1/namespaces/prod/configmaps/flags";

/// What the server holds.
pub struct State {
    config_map: Value,
    version: u64,
    rollout: String,
    rest: u8,
    etag: u64,
    last: usize,
    pub enabled: bool,
    /// The percentage when the environment was switched on.
    pub enabled_at: Option<u8>,
    /// Served instead of what is set.
    pub served: Option<u8>,
    /// The answer of the evaluation; status 0 for a true one.
    pub ofrep: (u16, String),
    /// Somebody else's percentage, set before the next write.
    pub before_write: Option<u8>,
    pub touch_other_flag: bool,
    pub lose_answer: bool,
    pub failures: usize,
    pub gone: bool,
    /// What a description would not take.
    pub wrong: Vec<String>,
}

/// A running server.
pub struct FlagServer {
    server: Loopback,
    state: Arc<Mutex<State>>,
}

fn definitions(percent: u8) -> String {
    let rest = 100 - percent;
    format!(
        "{{\n  \"flags\": {{\n    \"other\": {{\"state\": \"ENABLED\", \"variants\": {{\"a\": true}}, \"defaultVariant\": \"a\"}},\n    \
         \"model\": {{\"state\": \"ENABLED\", \"variants\": {{\"new\": \"v2\", \"old\": \"v1\"}}, \"defaultVariant\": \"old\",\n      \
         \"targeting\": {{\"fractional\": [{{\"var\": \"user\"}}, [\"new\", {percent}], [\"old\", {rest}]]}}}}\n  }}\n}}\n"
    )
}

impl State {
    fn new() -> Self {
        let config_map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "flags", "namespace": "prod", "resourceVersion": "1"},
            "data": {"flags.json": definitions(0), "README": "of somebody else"},
        });
        Self {
            config_map,
            version: 1,
            rollout: "0".to_owned(),
            rest: 0,
            etag: 1,
            last: 0,
            enabled: true,
            enabled_at: None,
            served: None,
            ofrep: (0, String::new()),
            before_write: None,
            touch_other_flag: false,
            lose_answer: false,
            failures: 0,
            gone: false,
            wrong: Vec::new(),
        }
    }

    /// flagd's file.
    pub fn file(&self) -> String {
        self.config_map["data"]["flags.json"].as_str().unwrap().to_owned()
    }

    /// The percentage of a service, read by other code than ours.
    pub fn percent(&self, service: usize) -> u8 {
        match service {
            0 => {
                let file: Value = serde_json::from_str(&self.file()).unwrap();
                let rule = file["flags"]["model"]["targeting"]["fractional"].as_array().unwrap().clone();
                assert_eq!(rule[0], json!({"var": "user"}), "the users' buckets");
                let weights: Vec<u64> = rule[1..].iter().map(|pair| pair[1].as_u64().unwrap()).collect();
                assert_eq!((weights.iter().sum::<u64>(), rule[1][0].as_str()), (100, Some("new")));
                u8::try_from(weights[0]).unwrap()
            }
            1 => self.rollout.parse().unwrap(),
            _ => self.rest,
        }
    }

    /// Somebody else's change.
    pub fn set(&mut self, service: usize, percent: u8) {
        match service {
            0 => self.write_file(definitions(percent)),
            1 => self.rollout = percent.to_string(),
            _ => {
                self.rest = percent;
                self.etag += 1;
            }
        }
    }

    fn write_file(&mut self, text: String) {
        self.version += 1;
        self.config_map["data"]["flags.json"] = json!(text);
        self.config_map["metadata"]["resourceVersion"] = json!(self.version.to_string());
    }

    fn others(&mut self, service: usize) {
        if let Some(percent) = self.before_write.take() {
            self.set(service, percent);
        }
        if std::mem::take(&mut self.touch_other_flag) {
            let text = self.file().replace("\"other\": {\"state\": \"ENABLED\"", "\"other\": {\"state\": \"DISABLED\"");
            self.write_file(text);
        }
    }
}

impl FlagServer {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(State::new()));
        let shared = Arc::clone(&state);
        let server = Loopback::start(move |request| reply(request, &mut shared.lock().unwrap()));
        Self { server, state }
    }

    pub fn base(&self) -> String {
        self.server.base.clone()
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap())
    }
}

fn reply(request: &Request, state: &mut State) -> Reply {
    let path = request.path.split('?').next().unwrap().to_owned();
    let line = format!("{} {path}", request.method);
    if path.starts_with("/ofrep/") {
        return ofrep(request, state);
    }
    if state.failures > 0 {
        state.failures = state.failures.saturating_sub(1);
        return Reply::Answer(503, String::new(), "busy".to_owned());
    }
    if state.gone {
        return answer(404, &json!({"kind": "Status", "reason": "NotFound", "message": "not found", "code": 404}));
    }
    let done = match (request.method.as_str(), path.as_str()) {
        ("GET", CONFIG_MAP) => {
            state.last = 0;
            return answer(200, &state.config_map);
        }
        ("PATCH", CONFIG_MAP) => config_map(request, state),
        ("GET", ENVIRONMENT) => unleash(request, state),
        ("PATCH", _) if path == format!("{ENVIRONMENT}/strategies/{STRATEGY}") => strategy(request, state),
        ("POST", _) if path == format!("{ENVIRONMENT}/on") => {
            admin(request, state, false);
            state.enabled = true;
            state.enabled_at = state.rollout.parse().ok();
            return Reply::Answer(200, String::new(), String::new());
        }
        ("GET" | "PATCH", "/flags/model") => rest(request, state),
        _ => {
            state.wrong.push(format!("{line}: unknown"));
            return answer(404, &json!({}));
        }
    };
    // Done, and nobody hears of it.
    if request.method == "PATCH" && std::mem::take(&mut state.lose_answer) { Reply::Cut } else { done }
}

/// What the API server says of a patch that does not apply, whichever edit it was (1.36).
const UNPATCHED: &str = "the server rejected our request due to an error in our request";

/// Kubernetes: a JSON patch is done whole or not at all, and a failed `test` is 422.
fn config_map(request: &Request, state: &mut State) -> Reply {
    state.others(0);
    if request.header("content-type") != "application/json-patch+json" {
        state.wrong.push("no JSON patch".to_owned());
    }
    let mut object = state.config_map.clone();
    for edit in request.json().as_array().unwrap() {
        let path = edit["path"].as_str().unwrap();
        let (parent, last) = path.rsplit_once('/').unwrap();
        let key = last.replace("~1", "/").replace("~0", "~");
        let parent = object.pointer_mut(parent);
        let refused =
            || answer(422, &json!({"kind": "Status", "reason": "Invalid", "message": UNPATCHED, "code": 422}));
        let Some(fields) = parent.and_then(Value::as_object_mut) else { return refused() };
        match edit["op"].as_str().unwrap() {
            "test" if fields.get(&key) == Some(&edit["value"]) => {}
            "replace" if fields.contains_key(&key) => drop(fields.insert(key, edit["value"].clone())),
            "add" => drop(fields.insert(key, edit["value"].clone())),
            "remove" if fields.contains_key(&key) => drop(fields.remove(&key)),
            _ => return refused(),
        }
    }
    if request.json()[0]["path"] != "/metadata/resourceVersion" || object["data"]["README"] != "of somebody else" {
        state.wrong.push(format!("a patch of an unknown version: {}", request.body));
    }
    state.version += 1;
    object["metadata"]["resourceVersion"] = json!(state.version.to_string());
    state.config_map = object;
    answer(200, &state.config_map)
}

fn admin(request: &Request, state: &mut State, bearer: bool) {
    let wanted = if bearer { format!("Bearer {ADMIN}") } else { ADMIN.to_owned() };
    if request.header("authorization") != wanted {
        state.wrong.push(format!("{}: authorization {:?}", request.path, request.header("authorization")));
    }
}

fn unleash(request: &Request, state: &mut State) -> Reply {
    admin(request, state, false);
    state.last = 1;
    let strategy = json!({"id": STRATEGY, "featureName": "model", "title": null, "constraints": [], "variants": [],
        "parameters": {"groupId": "model", "rollout": state.rollout, "stickiness": "default"}, "sortOrder": 0,
        "disabled": false, "name": "flexibleRollout"});
    answer(
        200,
        &json!({"name": "model", "environment": "production", "enabled": state.enabled, "strategies": [strategy]}),
    )
}

fn strategy(request: &Request, state: &mut State) -> Reply {
    state.others(1);
    admin(request, state, false);
    for edit in request.json().as_array().unwrap() {
        if edit["path"] != "/parameters/rollout" || !edit["value"].is_string() {
            state.wrong.push(format!("{edit}"));
            return answer(400, &json!({"name": "BadDataError", "message": "must be string"}));
        }
        match edit["op"].as_str() {
            Some("test") if edit["value"] != state.rollout.as_str() => {
                let message = "Test operation failed\nname: TEST_OPERATION_FAILED\nindex: 0";
                return answer(500, &json!({"name": "UnknownError", "message": message}));
            }
            Some("replace") => state.rollout = edit["value"].as_str().unwrap().to_owned(),
            _ => {}
        }
    }
    answer(200, &json!({"id": STRATEGY, "name": "flexibleRollout", "parameters": {"rollout": state.rollout}}))
}

fn rest(request: &Request, state: &mut State) -> Reply {
    admin(request, state, true);
    if request.method == "PATCH" {
        state.others(2);
        if request.header("if-match") != format!("\"{}\"", state.etag) {
            return answer(412, &json!({}));
        }
        let body = request.json();
        let percent = body["rollout"]["percentage"].as_u64().and_then(|percent| u8::try_from(percent).ok());
        match percent.filter(|_| body == json!({"rollout": {"percentage": body["rollout"]["percentage"]}})) {
            Some(percent) => state.set(2, percent),
            None => state.wrong.push(format!("PATCH {body}")),
        }
    }
    state.last = 2;
    let body = json!({"name": "model", "rollout": {"percentage": state.rest}}).to_string();
    Reply::Answer(200, format!("content-type: application/json\r\netag: \"{}\"\r\n", state.etag), body)
}

/// OFREP: a request of one context with a targeting key; a success has a key, a value, a reason and a variant.
fn ofrep(request: &Request, state: &mut State) -> Reply {
    if request.method != "POST" || request.path != "/ofrep/v1/evaluate/flags/model" {
        state.wrong.push(format!("{} {}", request.method, request.path));
    }
    let body = request.json();
    let keys: Vec<&String> = body.as_object().map(|body| body.keys().collect()).unwrap_or_default();
    let user = body["context"]["targetingKey"].as_str().unwrap_or_default().to_owned();
    if keys != ["context"] || !request.header("content-type").starts_with("application/json") {
        state.wrong.push(format!("evaluation of {body}"));
    }
    if state.ofrep.0 != 0 {
        return Reply::Answer(state.ofrep.0, String::new(), state.ofrep.1.clone());
    }
    if user.is_empty() {
        return answer(400, &json!({"key": "model", "errorCode": "TARGETING_KEY_MISSING"}));
    }
    let percent = state.served.unwrap_or_else(|| {
        let percent = state.percent(state.last);
        if state.last == 1 && !state.enabled { 0 } else { percent }
    });
    // FNV-1a with a last mixing: every user has a place of 0 to 99 that stays.
    let mut hash = user
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    let on = hash % 100 < u64::from(percent);
    let variant = if on { "new" } else { "old" };
    let value = if state.last == 0 { json!(if on { "v2" } else { "v1" }) } else { json!(on) };
    answer(200, &json!({"key": "model", "reason": "SPLIT", "variant": variant, "value": value}))
}
