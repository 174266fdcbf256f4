//! `refit doctor`: is a running server well, as its devices see it?
//!
//! `look.rs` finds facts; the other files judge them, each a check or a few that belong together, without a clock or a
//! socket of their own.

mod chain;
mod clock;
mod finding;
mod look;
mod machine;
mod names;
mod public_url;
mod server;

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anstyle::{AnsiColor, Style};
use refit_identity::ca::validity_of;
use refit_identity::pem;
use refit_protocol::time::Timestamp;
use serde_json::Value;

use self::chain::{Ends, What};
use self::finding::{Finding, State};
use self::public_url::Tried;
use crate::client::Client;
use crate::failure::{Failure, Kind};
use crate::find::{Found, Wanted, find};
use crate::output::{Output, printable, text};

/// Looks at everything, says it, and fails if there is an error.
pub(crate) fn run(wanted: &Wanted, output: Output) -> Result<(), Failure> {
    let found = find(wanted)?;
    let findings = examine(found)?;
    for finding in &findings {
        output.item(&finding.to_json(), || told(finding))?;
    }
    let count = |state| findings.iter().filter(|f| f.state == state).count();
    match (count(State::Error), count(State::Warning)) {
        (0, _) => Ok(()),
        (errors, warnings) => Err(Failure::new(
            Kind::Error,
            format!("{errors} errors, {warnings} warnings"),
        )
        .next("do what stands beside each, and ask again")),
    }
}

fn told(finding: &Finding) -> String {
    let colour = match finding.state {
        State::Skipped => AnsiColor::BrightBlack,
        State::Well => AnsiColor::Green,
        State::Warning => AnsiColor::Yellow,
        State::Error => AnsiColor::Red,
    };
    let style = Style::new().fg_color(Some(colour.into()));
    let (word, says) = (finding.state.as_str(), printable(&finding.says));
    let mut line = format!("{style}{word:7}{style:#}  {:11}  {says}", finding.check);
    if let Some(next) = &finding.next {
        line.push_str("\n                      next: ");
        line.push_str(&printable(next));
    }
    line
}

/// What is asked of the API, before anything is judged.
struct Asked {
    condition: Value,
    /// What devices trust, DER.
    roots: Vec<Vec<u8>>,
    issuer_ends: Option<String>,
}

fn examine(found: Found) -> Result<Vec<Finding>, Failure> {
    let (server, data) = (found.server.clone(), found.data.clone());
    let known = found.roots.as_deref().map(roots).unwrap_or_default();
    let client = Client::new(found)?;
    let asked = ask(&client, &known);
    let mut findings = Vec::new();
    match &asked {
        Ok(asked) => findings.extend(of_server(&server, asked)),
        Err(failure) => findings.push(without_api(failure)),
    }
    let roots = asked.as_ref().map_or(&known, |asked| &asked.roots);
    let here = now();
    findings.push(clock::judge(look::server_time(&server, roots), here));
    let condition = asked.as_ref().ok().map(|asked| &asked.condition);
    findings.extend(of_doors(&server, condition, roots, here));
    if let Ok(asked) = &asked {
        findings.extend(of_fleet(asked, here));
        findings.extend(of_public_url(&server, asked));
    }
    findings.push(match &asked {
        Ok(asked) => of_disk(&asked.condition),
        Err(_) => Finding::skipped("disk", "only the server can tell"),
    });
    findings.extend(of_files(data.as_deref()));
    Ok(findings)
}

fn ask(client: &Client, known: &[Vec<u8>]) -> Result<Asked, Failure> {
    let condition = client.get("/api/v1/condition")?;
    let is_dev = condition["dev"].as_bool().unwrap_or_default();
    if is_dev {
        return Ok(Asked {
            condition,
            roots: known.to_vec(),
            issuer_ends: None,
        });
    }
    let ca = client.get("/api/v1/ca")?;
    Ok(Asked {
        condition,
        roots: text(&ca, "certificates")
            .map_or_else(|| known.to_vec(), |pem| roots(pem.as_bytes())),
        issuer_ends: text(&ca, "issuerExpiresAt"),
    })
}

fn roots(pem: &[u8]) -> Vec<Vec<u8>> {
    std::str::from_utf8(pem)
        .ok()
        .and_then(|text| pem::certificates(text).ok())
        .unwrap_or_default()
}

fn without_api(failure: &Failure) -> Finding {
    Finding::error("api", failure.in_a_line())
        .next("see what the other checks say; a token of a viewer or more is needed (REFIT_TOKEN)")
}

fn of_server(server: &str, asked: &Asked) -> Vec<Finding> {
    let condition = &asked.condition;
    let checks = condition["checks"]
        .as_array()
        .map_or(&[][..], Vec::as_slice);
    let checks: Vec<_> = checks.iter().map(check).collect();
    let depot = condition.get("depot").map(check);
    let (is_dev, public_url) = (is_dev(condition), words(condition, "publicURL"));
    let mut found = server::ready(&checks);
    found.push(server::depot(depot.as_ref()));
    let version = words(condition, "version");
    found.push(server::version(&version, env!("CARGO_PKG_VERSION")));
    found.push(server::dev(is_dev, server, &public_url));
    found.push(machine::descriptors(
        condition["openFilesMax"].as_u64(),
        condition["devices"].as_u64().unwrap_or_default(),
    ));
    let names = condition["names"].as_array().map_or(&[][..], Vec::as_slice);
    let names = names.iter().filter_map(Value::as_str);
    let public_host = look::authority(&public_url).map(|(host, _)| look::resolve(&host));
    found.extend(names::judge(&names::Facts {
        public_host,
        host_name: &words(condition, "hostName"),
        names: names.map(look::resolve).collect(),
        is_dev,
    }));
    found
}

fn check(document: &Value) -> server::Check {
    server::Check {
        name: words(document, "name"),
        is_well: document["well"].as_bool().unwrap_or_default(),
        says: words(document, "says"),
    }
}

/// Comes to both doors as a device does: by the public URL's host if the certificate should name it, else as this
/// program came.
fn of_doors(
    server: &str,
    condition: Option<&Value>,
    roots: &[Vec<u8>],
    now: Timestamp,
) -> Vec<Finding> {
    if !server.starts_with("https:") {
        let why = "it speaks plain text (--dev)";
        return vec![
            Finding::skipped("https", why),
            Finding::skipped("mqtts", why),
        ];
    }
    let Some(https) = condition
        .and_then(|condition| named(condition, &words(condition, "publicURL")))
        .or_else(|| look::authority(server))
    else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mqtt = condition.and_then(|condition| look::authority(&words(condition, "mqtt")));
    let mqtt = mqtt.map(|(_, port)| (https.0.clone(), port));
    let doors = [("https", Some(https)), ("mqtts", mqtt)];
    for (check, door) in doors {
        let Some((host, port)) = door else {
            found.push(Finding::skipped(
                check,
                "only the server can tell where it is",
            ));
            continue;
        };
        let (shaken, shown) = look::shake(&host, port, roots);
        let at = format!("{host}:{port}");
        found.push(chain::reached(&chain::Facts { check, at, shaken }));
        let leaf = shown.first().filter(|_| check == "https");
        found.extend(
            leaf.and_then(|leaf| ends(What::Server, leaf))
                .map(|e| chain::lasts(e, now)),
        );
    }
    found
}

/// Takes the host and port of the public URL if the server's certificate should name it.
fn named(condition: &Value, public_url: &str) -> Option<(String, u16)> {
    let (host, port) = look::authority(public_url)?;
    let names = condition["names"].as_array()?;
    let is_named = names.iter().any(|name| name.as_str() == Some(&host));
    is_named.then_some((host, port))
}

fn ends(what: What, der: &[u8]) -> Option<Ends> {
    let not_after = validity_of(der)?.not_after;
    Some(Ends { what, not_after })
}

fn of_fleet(asked: &Asked, now: Timestamp) -> Vec<Finding> {
    if is_dev(&asked.condition) {
        return Vec::new();
    }
    let issuer = asked.issuer_ends.as_deref().and_then(clock::parse_rfc3339);
    let issuer = issuer.map(|not_after| Ends {
        what: What::Issuer,
        not_after,
    });
    let roots = asked.roots.iter().filter_map(|root| ends(What::Root, root));
    let all = issuer.into_iter().chain(roots);
    all.map(|ends| chain::lasts(ends, now)).collect()
}

fn of_public_url(server: &str, asked: &Asked) -> Vec<Finding> {
    let condition = &asked.condition;
    let Some(signed) = text(condition, "trial") else {
        return vec![public_url::untried(condition.get("depot").is_some())];
    };
    let Some((bare, altered)) = public_url::spoilt(&signed) else {
        return Vec::new();
    };
    let host = |url: &str| look::authority(url).map(|(host, _)| host);
    let is_foreign = host(&signed) != host(server);
    let download = |url: &str| look::download(url, &asked.roots, is_foreign);
    // The good one comes last: a cache that keeps what it saw would answer the others with it. Then they are tried again.
    let (first, signed) = (download(&bare), download(&signed));
    let tried = Tried {
        bare: match first {
            public_url::Got::Bytes => first,
            _ => download(&bare),
        },
        altered: download(&altered),
        signed,
    };
    public_url::judge(&words(condition, "publicURL"), &tried)
}

fn of_disk(condition: &Value) -> Finding {
    let disk = condition.get("disk").and_then(|disk| {
        Some(machine::Disk {
            free: disk["freeBytes"].as_u64()?,
            total: disk["totalBytes"].as_u64()?,
        })
    });
    machine::disk(disk)
}

fn of_files(data: Option<&Path>) -> Vec<Finding> {
    let Some(data) = data else {
        let why = "modes of files are seen on the server's machine alone: run it there too";
        return vec![Finding::skipped("files", why)];
    };
    match look::entries(data) {
        Ok(entries) => machine::files(&entries),
        Err(error) => {
            let says = format!("{} cannot be looked into: {error}", data.display());
            vec![Finding::warning("files", says).next("run it as the user that the server runs as")]
        }
    }
}

fn is_dev(condition: &Value) -> bool {
    condition["dev"].as_bool().unwrap_or_default()
}

fn words(document: &Value, name: &str) -> String {
    text(document, name).unwrap_or_default()
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    Timestamp(u64::try_from(millis).unwrap_or(u64::MAX))
}
