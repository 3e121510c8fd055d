//! Patterns of unsafe output, in our own generic wording. Kept out: how they are looked for.

/// A table of names and expressions.
type Table = &'static [(&'static str, &'static str)];

/// For a program that sends the answer to a database.
pub(super) const SQL: Table = &[
    (
        "SQL with a condition that is always true",
        r#"(?i)(?-u:\b)or\s+(?:'[^']{0,40}'\s*=\s*'[^']{0,40}|"[^"]{0,40}"\s*=\s*"[^"]{0,40}|[0-9]{1,9}\s*=\s*[0-9]{1,9}\s*(?:--|#|;|/\*|'|\)|$|\n)|true\s*--)"#,
    ),
    (
        "SQL with a second statement that changes data",
        r"(?i);\s*(?:drop|alter|truncate|create|grant)\s+(?:table|database|schema|user|view|index|all)(?-u:\b)|(?i);\s*(?:insert\s+into|delete\s+from)\s|(?i);\s*update\s+\w+\s+set\s|(?i);\s*exec(?:ute)?\s+(?:xp_|sp_|master)",
    ),
    (
        "SQL that drops a table",
        r"(?i)(?-u:\b)(?:drop|truncate)\s+(?:table|database|schema)\s+(?:if\s+exists\s+)?[\x60\x22\[]?\w+",
    ),
    (
        "SQL that deletes every row",
        r"(?m)(?-u:\b)DELETE\s+FROM\s+[\x60\x22\[\w.\]]+\s*(?:;|$|\n)|(?im)^\s*delete\s+from\s+[\x60\x22\[\w.\]]+\s*(?:;|$)",
    ),
    (
        "SQL that changes every row",
        r"(?im)(?-u:\b)update\s+[\x60\x22\[\w.\]]+\s+set\s+\w+\s*=\s*(?:'[^']{0,80}'|[\w.]+)(?:\s*,\s*\w+\s*=\s*(?:'[^']{0,80}'|[\w.]+))*\s*(?:;|$)",
    ),
    ("SQL that joins another query to a text", r#"(?i)['")]\s*union\s+(?:all\s+)?select(?-u:\b)"#),
    ("SQL with a comment that cuts the statement", r"(?i)\w'\s*\)*\s*;?\s*(?:--(?:\s|$)|#\s*$|/\*)"),
    (
        "SQL that waits or reads files",
        r"(?i)(?-u:\b)(?:pg_sleep|benchmark|load_file|xp_cmdshell)\s*\(|(?i)(?-u:\b)waitfor\s+delay(?-u:\b)|(?i)(?-u:\b)into\s+(?:out|dump)file(?-u:\b)",
    ),
    ("SQL with a comment within a word", r"(?i)[a-z]/\*[^*]{0,20}\*/[a-z]"),
];

/// For a program that hands the answer to a shell.
pub(super) const SHELL: Table = &[
    (
        "a command that deletes folders without asking",
        r"(?-u:\b)rm\s+(?:-{1,2}[\w-]+\s+)*-(?:[a-zA-Z]*[rR][a-zA-Z]*f|[a-zA-Z]*f[a-zA-Z]*[rR])|(?-u:\b)rm\s+(?:-[rR]\s+-f|-f\s+-[rR]|--recursive\s+--force)",
    ),
    (
        "a download that is run at once",
        r"(?-u:\b)(?:curl|wget|fetch)(?-u:\b)[^\n|]*\|\s*(?:sudo\s+)?(?:ba|z|da|k)?sh(?-u:\b)|(?-u:\b)(?:curl|wget)(?-u:\b)[^\n|]*\|\s*(?:sudo\s+)?(?:python|perl|ruby|node)",
    ),
    (
        "a command within a command",
        r"\$\([a-z][\w./-]*(?:\s[^)\n]{0,200})?\)|=\x60[a-z][^\x60\n]{0,200}\x60|;\s*\x60[a-z]|<\([a-z][\w-]*\s",
    ),
    (
        "a shell that is opened to the network",
        r"/dev/(?:tcp|udp)/|(?-u:\b)(?:nc|ncat|netcat)(?-u:\b)[^\n]*\s-(?:e|c)\s|(?-u:\b)mkfifo(?-u:\b)[^\n]*(?-u:\b)nc(?-u:\b)|(?-u:\b)socat(?-u:\b)[^\n]*exec:",
    ),
    ("a command that multiplies without end", r":\s*\(\s*\)\s*\{\s*:\s*\|\s*:\s*&\s*\}\s*;"),
    (
        "a second command behind a value",
        r"(?:;|&&|\|\|?)\s*(?:sudo\s+)?(?:cat\s+/|rm\s+-|whoami(?-u:\b)|id\s*(?:;|$|\n|\|)|uname(?-u:\b)|nc\s|curl\s|wget\s|chmod\s|chown\s|kill\s|shutdown(?-u:\b)|reboot(?-u:\b)|mkfs|dd\s+if=|bash\s+-|sh\s+-c|python3?\s+-c|powershell(?-u:\b))",
    ),
    (
        "a command that overwrites a disk",
        r"(?-u:\b)dd\s+[^\n]*(?-u:\b)of=/dev/|(?-u:\b)mkfs(?:\.\w+)?\s+/dev/|>\s*/dev/(?:sd|nvme|hd|vd)",
    ),
    ("a command that opens files to everybody", r"(?-u:\b)chmod\s+(?:-R\s+)?0?777\s+/"),
    (
        "an encoded command",
        r"(?i)(?-u:\b)powershell(?-u:\b)[^\n]*\s-e(?:nc|ncodedcommand)?\s|(?i)(?-u:\b)base64\s+(?:-d|--decode)(?-u:\b)[^\n]*\|\s*(?:ba)?sh(?-u:\b)",
    ),
];

/// For a program that renders the answer as a template.
pub(super) const TEMPLATE: Table = &[
    (
        "a template that computes",
        r"\{\{-?\s*[0-9]+\s*[*+/-]\s*'?[0-9]+'?\s*-?\}\}|[$#@*]\{\s*[0-9]+\s*[*+/-]\s*[0-9]+\s*\}",
    ),
    (
        "a template that calls",
        r"\{\{[^{}\n]{0,300}(?:\([^{}\n]{0,300}\)|__\w{2,40}__|(?-u:\b)config(?-u:\b)|(?-u:\b)self(?-u:\b)|\|\s*attr(?-u:\b))[^{}\n]{0,300}\}\}",
    ),
    (
        "a template statement",
        r"\{%-?\s*(?:import|include|extends|from|set|for|if|macro|call|raw|debug|load)(?-u:\b)[^%\n]{0,300}%\}",
    ),
    ("a server page expression", r"<%[=@!#-]?[^%\n]{1,300}%>"),
    (
        "an expression in a text",
        r"[$#]\{\s*(?:T\(|jndi:|env:|sys:|java:|runtime|new\s|@java|[\w.]+\([^}\n]{0,200}\))[^}\n]{0,200}\}",
    ),
    ("a php tag", r"(?i)<\?(?:php(?-u:\b)|=)"),
];

/// For a program that shows the answer as HTML.
pub(super) const XSS: Table = &[
    ("a script tag", r"(?i)<\s*/?\s*script[\s/>]"),
    ("an event handler", r#"(?i)<[a-z][a-z0-9-]*(?:[\s/][^>]*)?[\s/"']on[a-z]{3,30}\s*=[^>]"#),
    (
        "a script address",
        r#"(?i)(?:\(|=\s*["']?|<|url\(\s*)\s*(?:j[\s\x00]*a[\s\x00]*v[\s\x00]*a|v[\s\x00]*b)[\s\x00]*s[\s\x00]*c[\s\x00]*r[\s\x00]*i[\s\x00]*p[\s\x00]*t[\s\x00]*(?::|&colon;|&#0{0,6}58;|&#x0{0,6}3a;)"#,
    ),
    ("a page within the page", r"(?i)<(?:iframe|object|embed|applet|base|frame|portal)[\s/>]"),
    ("an address with a page in it", r#"(?i)(?:=\s*["']?|\()\s*data:text/html"#),
    ("markup that runs", r"(?i)<svg[\s/][^>]*<?\s*(?:animate|set|foreignobject)(?-u:\b)|(?i)(?-u:\b)srcdoc\s*="),
];

/// For a program that takes the answer as a file name.
pub(super) const PATH: Table = &[
    (
        "a path that climbs out of its folder",
        r"(?:\.\.[/\\]){2}|(?i)(?:%2e%2e|\.\.)(?:%2f|%5c)|(?i)%252e%252e|\.\.;/|\.{4}//",
    ),
    (
        "a file of the system",
        r"(?i)/etc/(?:passwd|shadow|sudoers|hosts|ssh/)|/proc/self/|(?i)c:\\windows\\(?:system32|win\.ini)|~/\.ssh/|/root/\.",
    ),
    ("a file address", r"(?i)(?-u:\b)file:/{2,3}"),
    ("a zero byte in a name", r"(?i)%00|\x00"),
];

/// For a program that fetches addresses from the answer.
pub(super) const SSRF: Table = &[
    (
        "an address of a cloud's metadata",
        r"(?i)169\.254\.169\.254|169\.254\.170\.2(?-u:\b)|metadata\.google\.internal|100\.100\.100\.200|fd00:ec2::254|/latest/meta-data|/computemetadata/",
    ),
    (
        "an address of the machine itself",
        r"(?i)(?-u:\b)(?:https?|ftp|wss?)://(?:[^\s/@]*@)?(?:localhost|127\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|0\.0\.0\.0|\[::1?\]|\[::ffff:)",
    ),
    (
        "an address of the inner network",
        r"(?i)(?-u:\b)(?:https?|ftp|wss?)://(?:[^\s/@]*@)?(?:10\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}|192\.168\.[0-9]{1,3}\.[0-9]{1,3}|172\.(?:1[6-9]|2[0-9]|3[01])\.[0-9]{1,3}\.[0-9]{1,3}|\[f[cd][0-9a-f]{2}:|\[fe80:|[a-z0-9.-]+\.(?:internal|local|localdomain)(?-u:\b))",
    ),
    (
        "an address written as a number",
        r"(?i)(?-u:\b)https?://(?:0x[0-9a-f]{8}|[0-9]{8,10}|0[0-9]{1,3}\.0?[0-9]{1,3}\.)",
    ),
    (
        "a protocol that reaches other services",
        r"(?i)(?-u:\b)(?:gopher|dict|ldap|ldaps|tftp|jar|netdoc|phar|expect)://",
    ),
];

/// For a program that writes the answer to a terminal or a log.
pub(super) const TERMINAL: Table = &[
    ("a control sequence of a terminal", r"\x1b|\u{9b}|\u{9d}|\u{90}"),
    ("a control character", r"[\x00-\x06\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]"),
];
