//! Clients that are not rustls': OpenSSL's own tool, and Python's ssl. They run with `REFIT_TEST_OUTSIDE=1`, and then
//! they must be there.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use refit_tls::server::Oldest;
use refit_tls::stream::{Peered, TlsStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::authority::{Authority, Pair};
use crate::pair::server;

fn is_wanted() -> bool {
    std::env::var_os("REFIT_TEST_OUTSIDE").is_some_and(|value| value == "1")
}

/// A server that says who is there, then says each line again, and goodbye when it hears "bye".
struct Echo {
    address: SocketAddr,
    home: tempfile::TempDir,
    _runtime: Runtime,
}

impl Echo {
    fn new(authority: &Authority, pair: &Pair, oldest: Oldest) -> Self {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("ca.pem"), authority.pem()).unwrap();
        fs::write(home.path().join("device.pem"), pair.certificate.pem()).unwrap();
        fs::write(home.path().join("device.key"), pair.key.serialize_pem()).unwrap();
        let runtime = Runtime::new().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let (config, _) = server(authority, oldest);
        runtime.spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let stream = TlsStream::new(stream, Arc::clone(&config)).unwrap();
                tokio::spawn(echo(stream));
            }
        });
        Self {
            address,
            home,
            _runtime: runtime,
        }
    }

    fn path(&self) -> &Path {
        self.home.path()
    }
}

async fn echo(mut stream: TlsStream<tokio::net::TcpStream>) -> std::io::Result<()> {
    stream.handshake().await?;
    let has = if stream.peer_certificate().is_some() {
        "somebody"
    } else {
        "nobody"
    };
    let resumed = if stream.is_resumed() { " again" } else { "" };
    stream
        .write_all(format!("{has}{resumed}\n").as_bytes())
        .await?;
    let mut bytes = [0; 700];
    let mut all = Vec::new();
    loop {
        let len = stream.read(&mut bytes).await?;
        stream.write_all(&bytes[..len]).await?;
        all.extend(&bytes[..len]);
        if len == 0 || all.ends_with(b"bye\n") {
            return stream.shutdown().await;
        }
    }
}

fn command(echo: &Echo, arguments: &[&str]) -> Command {
    // What it says of itself comes on standard error. It must not wait for ever where a test has failed.
    let mut command = Command::new("sh");
    command
        .current_dir(echo.path())
        .args(["-c", "exec timeout 60 openssl \"$@\" 2>&1", "sh"])
        .args(["s_client", "-CAfile", "ca.pem", "-verify_return_error"])
        .args(["-servername", "localhost"])
        .args(["-connect", &echo.address.to_string()])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

/// Types lines into `openssl s_client`, and returns all that it prints.
fn s_client(echo: &Echo, arguments: &[&str], lines: &str) -> String {
    let mut child = command(echo, arguments)
        .spawn()
        .unwrap_or_else(|error| panic!("openssl: {error}; apt-get install openssl"));
    // Where it is refused it may be gone before it was told anything.
    drop(child.stdin.as_mut().unwrap().write_all(lines.as_bytes()));
    let output = child.wait_with_output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

const WITH: [&str; 4] = ["-cert", "device.pem", "-key", "device.key"];

#[test]
fn openssl_talks_with_and_without_a_certificate() {
    if !is_wanted() {
        return;
    }
    let authority = Authority::new("fleet");
    let pair = authority.device("lamp-7");
    let echo = Echo::new(&authority, &pair, Oldest::Tls12);
    let long = "x".repeat(5000);
    for version in ["-tls1_3", "-tls1_2"] {
        let said = s_client(&echo, &[version, "-quiet"], "hello\nbye\n");
        assert!(said.contains("nobody\nhello\nbye"), "{said}");
        let arguments = [&[version, "-quiet"][..], &WITH].concat();
        let said = s_client(&echo, &arguments, &format!("{long}\nbye\n"));
        assert!(said.contains(&format!("somebody\n{long}\nbye")), "{said}");
    }
}

#[test]
fn openssl_changes_its_keys_while_it_talks() {
    if !is_wanted() {
        return;
    }
    let authority = Authority::new("fleet");
    let pair = authority.device("lamp-7");
    let echo = Echo::new(&authority, &pair, Oldest::Tls13);
    let mut child = command(&echo, &["-tls1_3"]).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut input = child.stdin.take().unwrap();
    let mut wait_for = |wanted: &str| {
        let mut line = String::new();
        while !line.starts_with(wanted) {
            line.clear();
            let len = output.read_line(&mut line).unwrap();
            assert!(len > 0, "{wanted} did not come");
        }
    };
    wait_for("nobody");
    // "K" alone on a line: a KeyUpdate that asks for ours too; "k": one that does not.
    for (typed, comes) in [
        ("one", "one"),
        ("K", "KEYUPDATE"),
        ("two", "two"),
        ("k", "KEYUPDATE"),
        ("three", "three"),
        ("bye", "bye"),
    ] {
        input.write_all(format!("{typed}\n").as_bytes()).unwrap();
        wait_for(comes);
    }
    child.wait().unwrap();
}

#[test]
fn openssl_comes_back_with_a_ticket() {
    if !is_wanted() {
        return;
    }
    let authority = Authority::new("fleet");
    let pair = authority.device("lamp-7");
    let echo = Echo::new(&authority, &pair, Oldest::Tls13);
    let arguments = [&["-sess_out", "session", "-quiet"][..], &WITH].concat();
    let said = s_client(&echo, &arguments, "hello\nbye\n");
    assert!(said.contains("somebody\nhello"), "{said}");
    let said = s_client(&echo, &["-sess_in", "session", "-quiet"], "hello\nbye\n");
    assert!(said.contains("somebody again\nhello"), "{said}");
}

#[test]
fn openssl_is_told_why_it_is_refused() {
    if !is_wanted() {
        return;
    }
    let authority = Authority::new("fleet");
    let pair = Authority::new("other").device("lamp-7");
    let echo = Echo::new(&authority, &pair, Oldest::Tls13);
    // The end of its input must not be the end of it: in TLS 1.3 the refusal comes after the client is done.
    let arguments = [&["-ign_eof"][..], &WITH].concat();
    let said = s_client(&echo, &arguments, "hello\nbye\n");
    assert!(said.contains("unknown ca"), "{said}");
    let said = s_client(&echo, &["-tls1_2"], "");
    assert!(said.contains("alert protocol version"), "{said}");
}

const PYTHON: &str = r#"
import socket, ssl, sys
context = ssl.create_default_context(cafile="ca.pem")
context.load_cert_chain("device.pem", "device.key")
def talk(session, end):
    raw = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
    tls = context.wrap_socket(raw, server_hostname="localhost", session=session)
    for byte in b"byte by byte\n":
        tls.sendall(bytes([byte]))
    tls.sendall(b"y" * 100000 + end)
    got = b""
    while not got.endswith(end):
        more = tls.recv(65536)
        assert more, got[-100:]
        got += more
    session = tls.session
    if end == b"bye\n":
        assert tls.recv(1) == b"", "a goodbye"
        tls.unwrap()
    else:
        tls.close()
    return got, session
got, session = talk(None, b"bye\n")
assert got == b"somebody\nbyte by byte\n" + b"y" * 100000 + b"bye\n", got[:100]
got, _ = talk(session, b"and gone\n")
assert got.startswith(b"somebody again\nbyte by byte\nyyy"), got[:100]
"#;

#[test]
fn python_talks_byte_by_byte_and_in_bulk_and_comes_back() {
    if !is_wanted() {
        return;
    }
    let authority = Authority::new("fleet");
    let pair = authority.device("lamp-7");
    let echo = Echo::new(&authority, &pair, Oldest::Tls13);
    let status = Command::new("timeout")
        .current_dir(echo.path())
        .args([
            "60",
            "python3",
            "-c",
            PYTHON,
            &echo.address.port().to_string(),
        ])
        .status()
        .unwrap_or_else(|error| panic!("python3: {error}; apt-get install python3"));
    assert!(status.success());
}
