//! How the server is reached: through the environment's proxy, and by the runner's own authority.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::support::{code, text};
use super::{Job, server};

#[test]
fn the_environments_proxy_is_used() {
    let job = Job::new();
    let proxy = format!("http://127.0.0.1:{}", job.gitlab.port);
    let base = format!("http://gitlab.internal{}", server::PREFIX.trim_end_matches('/'));
    let output = job.run("no", 100, &[("CI_API_V4_URL", &base), ("http_proxy", &proxy)]);
    assert!(!text(&output).contains("warning"), "{}", text(&output));
    job.note();
}

/// A server of TLS in front of the other one, with a certificate that only its own authority has signed.
const TLS_PROXY: &str = r#"
import datetime, ipaddress, socket, ssl, sys, threading
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
folder, target = sys.argv[1], int(sys.argv[2])
now = datetime.datetime.now(datetime.timezone.utc)
def certificate(name, issuer, key, signer, authority):
    names = [x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)]) for text in (name, issuer)]
    builder = x509.CertificateBuilder().subject_name(names[0]).issuer_name(names[1]).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if not authority:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
root, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
open(folder + "/ca.pem", "wb").write(certificate("authority", "authority", root, root, True))
private = own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
open(folder + "/own.pem", "wb").write(private + certificate("127.0.0.1", "authority", own, root, False))
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(folder + "/own.pem")
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
def serve(plain):
    try:
        client = context.wrap_socket(plain, server_side=True)
    except OSError:
        return
    server = socket.create_connection(("127.0.0.1", target))
    threading.Thread(target=pump, args=(client, server), daemon=True).start()
    pump(server, client)
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"#;

#[test]
fn a_server_with_an_authority_of_its_own_is_trusted_by_the_runners_ca_file_only() {
    let job = Job::new();
    let venv = std::env::var("LLMCI_TEST_VENV").expect("run the tests with scripts/test");
    let mut proxy = Command::new(format!("{venv}/bin/python"))
        .args(["-c", TLS_PROXY])
        .arg(job.path())
        .arg(job.gitlab.port.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut port = String::new();
    BufReader::new(proxy.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let base = format!("https://127.0.0.1:{}{}", port.trim(), server::PREFIX);
    let without = job.run("no", 100, &[("CI_API_V4_URL", &base)]);
    job.state(|state| assert!(state.asked.is_empty(), "{:?}", state.asked));
    let ca = job.path().join("ca.pem").display().to_string();
    let with = job.run("no", 101, &[("CI_API_V4_URL", &base), ("CI_SERVER_TLS_CA_FILE", &ca)]);
    let _ = proxy.kill();
    let _ = proxy.wait();
    assert_eq!((code(&without), code(&with)), (1, 1));
    assert!(text(&without).contains("warning: the note on the merge request was not written"), "{}", text(&without));
    assert!(job.note().contains("run=101.1010"), "{}", text(&with));
}
