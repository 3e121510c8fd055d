//! What scripts can do, and what they cannot do to us.

use serde_json::json;

use super::{Fault, Form, Returned, Script};

fn body(source: &str) -> Result<Returned, super::ScriptError> {
    Script::new(source, Form::Body).run(&[("output", json!("Hello")), ("context", json!({"vars": {"n": 3}}))])
}

fn file(source: &str, name: Option<&str>) -> Result<Returned, super::ScriptError> {
    Script::new(source, Form::Function(name.map(str::to_owned)))
        .run(&[("output", json!("Hello")), ("context", json!({}))])
}

#[test]
fn bodies_return_what_javascript_returns() {
    let table = [
        ("return output.length", Returned::Value(json!(5))),
        ("return output === 'Hello' && context.vars.n > 2", Returned::Value(json!(true))),
        (
            "return {pass: true, score: 0.5, reason: `n is ${context.vars.n}`}",
            Returned::Value(json!({"pass": true, "score": 0.5, "reason": "n is 3"})),
        ),
        ("", Returned::Undefined),
        ("return null", Returned::Value(json!(null))),
        ("return -Infinity", Returned::NotFinite(f64::NEG_INFINITY)),
        ("return () => 1", Returned::Function),
        ("return 12345678901234567890n", Returned::BigInt("12345678901234567890".to_owned())),
        ("return Symbol('a')", Returned::Symbol),
        (
            "return {a: undefined, b: NaN, c: () => 1, d: new Date(0)}",
            Returned::Value(json!({"b": null, "d": "1970-01-01T00:00:00.000Z"})),
        ),
        ("return new Promise(resolve => setTimeout(() => resolve(7), 60000))", Returned::Value(json!(7))),
        (
            "return (async () => { let n = 0; for await (const x of [1, 2, 3]) n += x; return n; })()",
            Returned::Value(json!(6)),
        ),
        ("return {then(resolve) { resolve('thenable'); }}", Returned::Value(json!("thenable"))),
        ("const old = 010; with ({a: 1}) { return a + old; }", Returned::Value(json!(9))),
        ("return /^\\p{Lu}/u.test(output) && /(?<=H)e/.test(output)", Returned::Value(json!(true))),
        ("console.log('nowhere'); return structuredClone({a: [1]}).a[0]", Returned::Value(json!(1))),
        ("return '\\ud83d'", Returned::Value(json!("\u{fffd}"))),
    ];
    for (source, expected) in table {
        assert_eq!(body(source), Ok(expected), "{source}");
    }
    assert!(matches!(body("return 0/0"), Ok(Returned::NotFinite(number)) if number.is_nan()));
}

#[test]
fn files_are_modules_of_both_kinds() {
    let table = [
        ("module.exports = (output) => output + '!'", None),
        ("module.exports = {other: 1, default: (output) => output + '!'}", None),
        ("export default function (output) { return output + '!'; }", None),
        ("const mark = await Promise.resolve('!');\nexport default async (output) => output + mark;", None),
        ("exports.mine = (output) => output + '!'", Some("mine")),
        ("export const mine = (output) => output + '!';\nexport default {}", Some("mine")),
        ("export default {mine: (output) => output + '!'}", Some("mine")),
        ("#!/usr/bin/env node\nmodule.exports = (output) => output + '!' // end", None),
    ];
    for (source, name) in table {
        assert_eq!(file(source, name), Ok(Returned::Value(json!("Hello!"))), "{source}");
    }
    let missing = file("module.exports = () => 1", Some("mine")).unwrap_err();
    assert_eq!((missing.fault, missing.message.raw()), (Fault::Export, "the script exports no `mine`"));
    assert_eq!(file("module.exports = 4", None).unwrap_err().fault, Fault::Export);
    assert_eq!(Script::new("module.exports = [4]", Form::Export(None)).run(&[]), Ok(Returned::Value(json!([4]))));
}

#[test]
fn errors_name_the_line_and_the_module() {
    let table = [
        (body("const a = 1;\nthrow new TypeError('no')"), Some(2), "TypeError: no"),
        (body("const a = 1;\n\nreturn a.b.c"), Some(3), "TypeError"),
        (body("return 1 +"), None, "SyntaxError"),
        (body("throw 'text'"), None, "text"),
        (body("return require('fs')"), None, "require is not defined"),
        (body("return process.mainModule.require('fs')"), None, "Cannot find module 'fs'"),
        (file("const fs = require('fs');\nmodule.exports = () => 1", None), Some(1), "Cannot find module 'fs'"),
        (body("return process.env.HOME"), None, "process.env.HOME"),
        (file("module.exports = () => {\n  throw new Error('x');\n}", None), Some(2), "Error: x"),
        (file("import fs from 'node:fs';\nexport default () => 1", None), None, "Cannot find module 'node:fs'"),
        (file("export default async () => (await import('./other.js')).x", None), None, "Cannot find module"),
        (file("export default () => {\n  const a = ;\n}", None), Some(2), "SyntaxError"),
        (body("return new Promise(() => {})"), None, "never comes"),
        (body("return Promise.reject(new Error('later'))"), None, "Error: later"),
    ];
    for (result, line, text) in table {
        let error = result.unwrap_err();
        assert!(error.message.raw().contains(text), "{text}: {error:?}");
        if line.is_some() {
            assert_eq!(error.line, line, "{text}: {error:?}");
        }
    }
}

#[test]
fn hostile_scripts_end_and_leave_nothing_behind() {
    let table = [
        ("while (true) {}", Some(Fault::Time)),
        ("try { while (true) {} } catch { return true } finally { while (true) {} }", Some(Fault::Time)),
        ("return (async () => { while (true) await 0 })()", Some(Fault::Time)),
        ("return new Promise(() => setInterval(() => {}, 1))", Some(Fault::Time)),
        ("return /^(a+)+$/.test('a'.repeat(40) + 'b')", Some(Fault::Time)),
        ("return {get pass() { while (true) {} }}", Some(Fault::Time)),
        ("return {toJSON() { while (true) {} }}", Some(Fault::Time)),
        ("const all = []; while (true) all.push(new Array(10000).fill(1))", Some(Fault::Memory)),
        ("return 'x'.repeat(2 ** 29)", None),
        ("let s = 'x'; while (true) s += s", None),
        ("const f = () => f(); return f()", Some(Fault::Thrown)),
        ("const a = {}; a.a = a; return a", Some(Fault::Thrown)),
        ("return {a: 1n}", Some(Fault::Thrown)),
        ("let a = []; for (let i = 0; i < 100000; i++) a = [a]; return a", None),
        ("return JSON.parse('['.repeat(200000))", None),
        ("return Array(2 ** 32 - 1).indexOf(1)", Some(Fault::Time)),
        ("return 'a'.repeat(1e7).split('').sort().length", None),
        ("return 'a'.repeat(1e6).replace(/a/g, 'b'.repeat(100)).length", None),
        ("return 'x'.padEnd(2 ** 30).length", None),
        ("return (10n ** 1000000n).toString().length", None),
        ("return new Proxy({}, {ownKeys() { throw new Error('trap') }})", Some(Fault::Thrown)),
        (
            "globalThis.left = 1; Object.prototype.pass = true; Array.prototype.toJSON = () => 1; JSON.stringify = () => 'x'; return [left]",
            None,
        ),
        ("Promise.resolve = 1; Function.prototype.call = null; Object.defineProperty = null; return 1", None),
    ];
    for (source, fault) in table {
        let started = std::time::Instant::now();
        let result = body(source);
        assert!(started.elapsed() < 4 * super::TIME_LIMIT, "{source}: {:?}", started.elapsed());
        if let Some(fault) = fault {
            assert_eq!(result.as_ref().map_err(|error| error.fault), Err(fault), "{source}: {result:?}");
        }
        println!("{source}: {result:?} {:?}", started.elapsed());
        assert_eq!(
            body("return typeof left + ({}).pass + JSON.stringify([1])"),
            Ok(Returned::Value(json!("undefinedundefined[1]"))),
            "{source}"
        );
    }
}

#[test]
fn chance_is_the_same_in_every_run() {
    let source = "return [Math.random(), Math.random()]";
    let once = body(source).unwrap();
    assert_eq!(body(source).unwrap(), once);
    assert_eq!(body("return Math.random() !== Math.random()"), Ok(Returned::Value(json!(true))));
}
