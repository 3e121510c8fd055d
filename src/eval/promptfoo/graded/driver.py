# Runs one function of a script: the request comes as JSON on the input, the result goes as JSON to the output. What the
# script itself prints goes to the error output.
import sys

sys.path[:] = [folder for folder in sys.path if folder not in ("", ".")]
import asyncio
import inspect
import json
import os
import types

result = os.dup(1)
os.dup2(2, 1)
asked = json.loads(sys.stdin.buffer.read().decode("utf-8"))
try:
    path = asked["path"]
    name = "script"
    if path:
        sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
        name = os.path.splitext(os.path.basename(path))[0]
    module = types.ModuleType(name)
    module.__file__ = path or "<config>"
    sys.modules[name] = module
    exec(compile(asked["text"], module.__file__, "exec"), module.__dict__)
    function = module
    for part in asked["function"].split("."):
        if not hasattr(function, part):
            raise AttributeError("it has no function %s" % asked["function"])
        function = getattr(function, part)
    value = function(*asked["arguments"])
    if inspect.isawaitable(value):

        async def waited():
            return await value

        value = asyncio.run(waited())
    said = json.dumps({"value": value}, allow_nan=False)
except BaseException as error:
    place = error.__traceback__
    line = None
    while place is not None:
        if place.tb_frame.f_code.co_filename == (asked["path"] or "<config>"):
            line = place.tb_lineno
        place = place.tb_next
    said = json.dumps({"error": "%s: %s" % (type(error).__name__, error), "line": line})
sys.stdout.flush()
os.write(result, b"")
with os.fdopen(result, "wb") as output:
    output.write(said.encode("ascii"))
