//! The check that a server does not forget what it stores, by what it says of itself. A one-time credential whose use is forgotten
//! works again.

use redis::{Cmd, RedisResult, Value};

use super::connect::{RedisConnection, plain};

/// The questions to a server, with the member of the answer and the value that it must have.
const ASKED: [(&str, &str, &str); 2] =
    [("memory", "maxmemory_policy", "noeviction"), ("persistence", "aof_enabled", "1")];

/// Why the server, or one of a cluster, may forget; `None` where each of them says that it does not.
pub(super) async fn why(connection: &mut RedisConnection) -> Option<String> {
    let mut reasons = Vec::new();
    for (section, member, expected) in ASKED {
        let mut info = Cmd::new();
        info.arg("INFO").arg(section);
        let answer: RedisResult<Value> = connection.query(&info).await;
        let mut texts = Vec::new();
        match answer {
            Ok(answer) => collect(&answer, &mut texts),
            Err(error) => return Some(format!("{}: {}", unknown(), plain(&error))),
        }
        reasons.extend(fault(&texts, member, expected));
    }
    (!reasons.is_empty()).then(|| reasons.join("; "))
}

/// Why there is no answer, in the words for operators.
pub(super) fn unknown() -> String {
    String::from("it does not say whether it keeps what was written (permit `+info`)")
}

/// The texts of an answer: one, or one of each server of a cluster. Anything else than a text says nothing.
fn collect(value: &Value, texts: &mut Vec<String>) {
    if let Value::BulkString(bytes) = value {
        texts.push(String::from_utf8_lossy(bytes).into_owned());
    } else if let Value::SimpleString(text) | Value::VerbatimString { text, .. } = value {
        texts.push(text.clone());
    } else if let Value::Array(values) = value {
        values.iter().for_each(|value| collect(value, texts));
    } else if let Value::Map(pairs) = value {
        pairs.iter().for_each(|(_, value)| collect(value, texts));
    } else {
        texts.push(String::new());
    }
}

/// The fault of the first answer that is not as expected.
fn fault(texts: &[String], member: &str, expected: &str) -> Option<String> {
    let mut values = texts.iter().map(|text| value(text, member));
    let wrong = values.find(|value| *value != Some(expected));
    match wrong {
        None if texts.is_empty() => Some(unknown()),
        None => None,
        Some(None) => Some(unknown()),
        Some(Some(policy)) if member == "maxmemory_policy" => Some(format!(
            "`maxmemory-policy` is `{policy}`, expected `noeviction`: it may forget uses of one-time credentials, and revocations"
        )),
        Some(Some(_)) => Some(String::from(
            "`appendonly` is off: a restart may forget uses of one-time credentials",
        )),
    }
}

fn value<'a>(text: &'a str, member: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.trim_end().strip_prefix(member)?.strip_prefix(':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policies(all: &[&str]) -> Option<String> {
        let text =
            |policy: &&str| format!("# Memory\r\nmaxmemory:0\r\nmaxmemory_policy:{policy}\r\n");
        fault(&all.iter().map(text).collect::<Vec<_>>(), "maxmemory_policy", "noeviction")
    }

    /// P347: one server of a cluster is enough, and one that says nothing is not taken for a good one.
    #[test]
    fn every_server_must_keep_what_was_written() {
        assert_eq!(policies(&["noeviction", "noeviction"]), None);
        for policy in ["allkeys-lru", "volatile-lfu", "volatile-ttl", "allkeys-random"] {
            assert!(policies(&["noeviction", policy]).unwrap().contains(policy));
        }
        let append = |text: &str| fault(&[String::from(text)], "aof_enabled", "1");
        assert_eq!(append("# Persistence\r\naof_enabled:1\r\n"), None);
        assert!(append("aof_enabled:0\r\n").unwrap().contains("`appendonly` is off"));
        let mut nothing = Vec::new();
        collect(&Value::Array(vec![Value::Nil, Value::Int(1)]), &mut nothing);
        assert_eq!(nothing.len(), 2);
        for silent in [&nothing[..], &[], &[String::from("# Memory\r\n")]] {
            assert!(fault(silent, "aof_enabled", "1").unwrap().contains("does not say"));
        }
    }
}
