# Runs one function of a script: the request comes as JSON on the input, the result goes as JSON to the output. What the
# script itself prints goes to the error output.
require 'json'

result = STDOUT.dup
STDOUT.reopen(STDERR)
asked = JSON.parse(STDIN.read.force_encoding('UTF-8'))
begin
  path = asked['path']
  $LOAD_PATH.unshift(File.dirname(File.expand_path(path))) if path
  eval(asked['text'], TOPLEVEL_BINDING, path || '<config>')
  owner = TOPLEVEL_BINDING.receiver
  *classes, name = asked['function'].split('.')
  classes.each { |part| owner = Object.const_get(part) }
  value = owner.send(name, *asked['arguments'])
  said = JSON.generate({ 'value' => value })
rescue Exception => error
  said = JSON.generate({ 'error' => "#{error.class}: #{error.message}", 'line' => nil })
end
result.write(said)
result.close
