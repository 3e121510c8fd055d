// What scripts find around them besides the language itself. Runs before every script; its value is what advances the
// timers by one, and the `require` of CommonJS.
(() => {
  'use strict';
  const define = (name, value) =>
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true });

  let state = 0x2545f491;
  Math.random = function random() {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };

  const nothing = () => undefined;
  const console = {};
  for (const name of ['log', 'info', 'warn', 'error', 'debug', 'trace', 'dir', 'table', 'group', 'groupEnd', 'time', 'timeEnd', 'assert', 'count']) {
    console[name] = nothing;
  }
  define('console', console);

  const require = (name) => {
    throw new Error(`Cannot find module '${name}': scripts run in an embedded engine that has no modules`);
  };
  const environment = new Proxy({}, {
    get(_target, name) {
      if (typeof name === 'symbol') return undefined;
      throw new Error(`process.env.${name}: scripts run in an embedded engine that shows them no environment`);
    },
    has: () => false,
  });
  define('process', { env: environment, argv: [], platform: 'linux', mainModule: { require } });

  let timers = [];
  let clock = 0;
  let last = 0;
  const start = (callback, delay, rest, every) => {
    const wait = Math.max(1, Number(delay) || 0);
    timers.push({ id: ++last, due: clock + wait, callback, rest, every: every ? wait : undefined });
    return last;
  };
  const stop = (id) => {
    timers = timers.filter((timer) => timer.id !== id);
  };
  define('setTimeout', (callback, delay, ...rest) => start(callback, delay, rest, false));
  define('setInterval', (callback, delay, ...rest) => start(callback, delay, rest, true));
  define('setImmediate', (callback, ...rest) => start(callback, 0, rest, false));
  define('clearTimeout', stop);
  define('clearInterval', stop);
  define('clearImmediate', stop);

  const copy = (value, seen) => {
    if (typeof value === 'function' || typeof value === 'symbol') {
      throw new Error(`${String(value)} could not be cloned.`);
    }
    if (typeof value !== 'object' || value === null) return value;
    if (seen.has(value)) return seen.get(value);
    if (value instanceof Date) return new Date(value.getTime());
    if (value instanceof RegExp) return new RegExp(value.source, value.flags);
    const made = Array.isArray(value) ? [] : value instanceof Map ? new Map() : value instanceof Set ? new Set() : {};
    seen.set(value, made);
    if (value instanceof Map) value.forEach((item, key) => made.set(copy(key, seen), copy(item, seen)));
    else if (value instanceof Set) value.forEach((item) => made.add(copy(item, seen)));
    else for (const key of Object.keys(value)) made[key] = copy(value[key], seen);
    return made;
  };
  define('structuredClone', (value) => copy(value, new Map()));

  const advance = () => {
    if (timers.length === 0) return false;
    let next = timers[0];
    for (const timer of timers) if (timer.due < next.due) next = timer;
    clock = next.due;
    if (next.every === undefined) stop(next.id);
    else next.due += next.every;
    next.callback(...next.rest);
    return true;
  };
  return [advance, require];
})()
