"""A small model server with OpenAI's protocol and bad manners, for tests/server_model.rs. Standard library only.

Every process that it starts has the same command line, with the mark of its test in it.
"""

import argparse
import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int, required=True)
parser.add_argument("--mark", required=True)
parser.add_argument("--starts", help="a file that gets a line at every start")
parser.add_argument("--children", action="store_true", help="starts a family, part of which leaves")
parser.add_argument("--stubborn", action="store_true", help="does not hear SIGTERM")
parser.add_argument("--say", action="append", default=[], help="a line for the log")
parser.add_argument("--say-variable", help="a variable whose value goes into the log")
parser.add_argument("--flood", type=int, default=0, help="bytes for the log")
parser.add_argument("--exit", type=int, help="ends at once with this code")
parser.add_argument("--exit-first", action="store_true", help="only the first start ends at once")
parser.add_argument("--kill-self", action="store_true")
parser.add_argument("--hang", action="store_true", help="never listens")
parser.add_argument("--loading", type=float, default=0.0, help="seconds of 503")
parser.add_argument("--delay", type=float, default=0.0, help="seconds for an answer")
parser.add_argument("--die-after", type=int, help="answers, before it ends with 3")
parser.add_argument("--gpu-gigabytes", type=float, help="memory of the first device that it takes, through PyTorch")
parser.add_argument("--answer", help="the text of every chat answer, in the place of the last word")
parser.add_argument("rest", nargs="*")
options = parser.parse_args()

if options.stubborn:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

first = not (options.starts and os.path.exists(options.starts))
if options.starts:
    with open(options.starts, "a") as file:
        file.write(f"{os.getpid()}\n")


def stay():
    while True:
        time.sleep(3600)


def family():
    # A plain child, and its child.
    if os.fork() == 0:
        os.fork()
        stay()
    # One that leaves the session twice over, and hears nothing.
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.setpgid(0, 0)
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            stay()
        os._exit(0)
    # One that leaves, and forgets where it came from.
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execve(sys.executable, [sys.executable, "-c", "import time\ntime.sleep(3600)", options.mark], {})
        os._exit(0)


if options.children:
    family()
for line in options.say:
    print(line, file=sys.stderr, flush=True)
if options.say_variable:
    print("key", os.environ.get(options.say_variable), flush=True)
if options.flood:
    block = "x" * 99 + "\n"
    for _ in range(options.flood // len(block)):
        sys.stdout.write(block)
    sys.stdout.flush()
if options.kill_self:
    os.kill(os.getpid(), signal.SIGKILL)
if options.exit is not None and (first or not options.exit_first):
    sys.exit(options.exit)
if options.gpu_gigabytes:
    import torch

    taken = torch.empty(int(options.gpu_gigabytes * 1e9), dtype=torch.uint8, device="cuda")
    taken.fill_(1)
if options.hang:
    stay()

began = time.monotonic()
answered = 0


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def reply(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        loading = time.monotonic() - began < options.loading
        self.reply(503 if loading else 200, {"object": "list", "data": []})

    def do_POST(self):
        global answered
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        answered += 1
        if options.die_after is not None and answered > options.die_after:
            print("RuntimeError: the engine \x1b[31mdied", file=sys.stderr, flush=True)
            os._exit(3)
        time.sleep(options.delay)
        usage = {"prompt_tokens": 1, "completion_tokens": 1}
        if "messages" in request:
            text = options.answer or request["messages"][-1]["content"].split()[-1]
            choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        else:
            choice = {"index": 0, "text": "x", "finish_reason": "length"}
        self.reply(200, {"id": "1", "object": "x", "model": request["model"], "choices": [choice], "usage": usage})


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64


print("listening", flush=True)
Server(("127.0.0.1", options.port), Handler).serve_forever()
