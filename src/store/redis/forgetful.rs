//! Whether a server may forget what it was told, by what it says of itself. A one-time credential whose use is forgotten
//! works again.

use redis::{Cmd, RedisResult, Value};

use super::connect::{Connection, plain};

/// Why the server, or one of a cluster, may forget; `None` where it does not.
pub(super) async fn why(connection: &mut Connection) -> Option<String> {
    let mut texts = Vec::new();
    for section in ["memory", "persistence"] {
        let mut info = Cmd::new();
        info.arg("INFO").arg(section);
        let answer: RedisResult<Value> = connection.query(&info).await;
        match answer {
            Ok(answer) => collect(&answer, &mut texts),
            Err(error) => {
                let why = plain(&error);
                return Some(format!(
                    "it does not say whether it keeps what was written (permit `+info`): {why}"
                ));
            }
        }
    }
    let reasons: Vec<_> = [evicts(&texts), loses(&texts)].into_iter().flatten().collect();
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// The texts of an answer: one, or one of each server of a cluster.
fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::BulkString(bytes) => texts.push(String::from_utf8_lossy(bytes).into_owned()),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        Value::Map(pairs) => pairs.iter().for_each(|(_, value)| collect(value, texts)),
        _ => {}
    }
}

fn evicts(texts: &[String]) -> Option<String> {
    let policy = members(texts, "maxmemory_policy").find(|policy| *policy != "noeviction")?;
    Some(format!(
        "`maxmemory-policy` is `{policy}`, expected `noeviction`: it may forget uses of one-time credentials, and revocations"
    ))
}

fn loses(texts: &[String]) -> Option<String> {
    let off = members(texts, "aof_enabled").any(|enabled| enabled != "1");
    off.then(|| "`appendonly` is off: a restart may forget uses of one-time credentials".to_owned())
}

fn members<'a>(texts: &'a [String], name: &str) -> impl Iterator<Item = &'a str> {
    let lines = texts.iter().flat_map(|text| text.lines());
    lines.filter_map(move |line| line.trim_end().strip_prefix(name)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(policy: &str, aof: &str) -> Vec<String> {
        vec![
            format!("# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:{policy}\r\n"),
            format!("# Persistence\r\naof_enabled:{aof}\r\n"),
        ]
    }

    /// P347: one server of a cluster is enough.
    #[test]
    fn every_server_must_keep_what_was_written() {
        let good = texts("noeviction", "1");
        assert_eq!((evicts(&good), loses(&good)), (None, None));
        for policy in ["allkeys-lru", "volatile-lfu", "volatile-ttl", "allkeys-random"] {
            let both = [good.clone(), texts(policy, "1")].concat();
            assert!(evicts(&both).unwrap().contains(policy));
        }
        assert!(loses(&[good, texts("noeviction", "0")].concat()).is_some());
    }
}
