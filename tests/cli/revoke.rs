//! `countersign revoke`, `countersign revocations` and the API behind them, as an operator meets them at 3 a.m.

#[cfg(test)]
mod tests {
    use std::fs;
    use std::net::SocketAddr;
    use std::path::Path;

    use crate::testbed::mint::{ISSUER, Issuer};
    use crate::testbed::pki::FRONTEND;
    use crate::testbed::server::{Addresses, FILES, Server};
    use countersign::clock::{Clock as _, SystemClock};
    use serde_json::{Value, json};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    use crate::program::{Props, Run};

    const TOKEN: &str = "0123456789abcdef0123456789abcdef";

    /// A server whose revocation API is open, in the folder of its props.
    struct House {
        props: Props,
        admin: SocketAddr,
        _server: Server,
    }

    impl House {
        async fn open() -> Self {
            let props = Props::new();
            let issuer = Issuer::new(SystemClock.now()).unwrap();
            props.write("keys/corp.jwks.json", issuer.key_set().unwrap());
            let addresses = Addresses::free().unwrap();
            let (name, settings) = FILES[0];
            let admin = "admin: { address: 127.0.0.1:${ADMIN_PORT} }";
            let open = admin.replace(" }", ", revocations: { tokenFile: admin.token } }");
            let settings = settings.replace(admin, &open);
            assert!(settings.contains("tokenFile"));
            let files = [(name, settings), ("admin.token", format!("{TOKEN}\n"))];
            Server::configure(&props.folder, addresses, &files).unwrap();
            let program = Path::new(env!("CARGO_BIN_EXE_countersign"));
            let server = Server::start(program, &props.folder, addresses).await.unwrap();
            Self { props, admin: addresses.admin, _server: server }
        }

        /// Runs a command against the server.
        fn run(&self, arguments: &[&str]) -> Run {
            let admin = format!("http://{}", self.admin);
            let more = ["--admin", &admin, "--token-file", "admin.token"];
            self.props.run_with(&[arguments, &more].concat(), "")
        }

        fn listed(&self, more: &[&str]) -> Vec<Value> {
            let run = self.run(&[&["revocations", "--output", "json"], more].concat());
            assert_eq!(run.code, 0, "{}", run.stderr);
            run.json()["entries"].as_array().unwrap().clone()
        }

        async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
            let mut stream = TcpStream::connect(self.admin).await.unwrap();
            let length = body.len();
            let head = format!(
                "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
            );
            // A server that has heard enough does not read the rest.
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            let answer = String::from_utf8(answer).unwrap();
            (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
        }
    }

    fn bearer(token: &str) -> String {
        format!("authorization: Bearer {token}\r\n")
    }

    /// P18, P66, P79: without its token the API tells and does nothing, with a wrong body it changes nothing; neither the
    /// token nor what was sent is in an answer or in the log.
    #[tokio::test]
    async fn the_api_refuses_other_bodies_and_callers_without_the_token() {
        let house = House::open().await;
        let entry = json!({ "jti": "canary-1", "issuer": ISSUER }).to_string();
        let right = bearer(TOKEN);
        for wrong in [
            String::new(),
            bearer(""),
            bearer("0123456789abcdef0123456789abcdeX"),
            bearer(TOKEN.trim_start_matches('0')),
            format!("authorization: Basic {TOKEN}\r\n"),
            format!("authorization: {TOKEN}\r\n"),
            format!("{right}{right}"),
        ] {
            for (method, path) in [
                ("GET", "/revocations"),
                ("POST", "/revocations"),
                ("DELETE", "/revocations"),
                ("DELETE", "/revocations/ab"),
            ] {
                let (status, text) = house.ask(method, path, &wrong, &entry).await;
                assert_eq!(status, 401, "{method} {wrong:?}");
                assert!(text.to_lowercase().contains("www-authenticate: bearer"), "{text}");
                assert!(!text.contains("canary") && !text.contains("0123456789"), "{text}");
            }
        }
        for wrong in [
            "",
            "[]",
            "{}",
            "null",
            "{",
            r#"{"jti":"canary-1"}"#,
            r#"{"jti":"canary-1","sub":"x","issuer":"i"}"#,
            r#"{"jti":"canary-1","jti":"x","issuer":"i"}"#,
            r#"{"jti":1,"issuer":"i"}"#,
            r#"{"jti":"","issuer":"i"}"#,
            r#"{"canary":"x","issuer":"i"}"#,
            r#"{"certificate":"canary"}"#,
            r#"{"spiffe":"canary"}"#,
            r#"{"jti":"x","issuer":"i","expires":"canary"}"#,
        ] {
            for method in ["POST", "DELETE"] {
                let (status, text) = house.ask(method, "/revocations", &right, wrong).await;
                assert_eq!(status, 400, "{method} {wrong}: {text}");
                assert!(!text.contains("canary"), "{text}");
            }
        }
        // P254: one that is over would revoke nothing.
        let over = json!({ "jti": "x", "issuer": ISSUER, "expires": "2020-01-01T00:00:00Z" });
        let (status, text) = house.ask("POST", "/revocations", &right, &over.to_string()).await;
        assert!(status == 400 && text.contains("write a later time"), "{status} {text}");
        let large = json!({ "jti": "x", "issuer": ISSUER, "reason": "x".repeat(40_000) });
        let (status, _) = house.ask("POST", "/revocations", &right, &large.to_string()).await;
        assert_eq!(status, 413);
        let unknown = format!("/revocations/{}", "ab".repeat(32));
        assert_eq!(house.ask("DELETE", &unknown, &right, "").await.0, 404);
        assert_eq!(house.ask("DELETE", "/revocations", &right, &entry).await.0, 404);
        assert_eq!(house.ask("DELETE", "/revocations/abc", &right, "").await.0, 400);
        assert_eq!(house.ask("PUT", "/revocations", &right, &entry).await.0, 405);
        assert_eq!(house.listed(&[]), Vec::<Value>::new(), "nothing of that counts");

        assert_eq!(house.ask("POST", "/revocations", &right, &entry).await.0, 201);
        assert_eq!(house.ask("POST", "/revocations", &right, &entry).await.0, 201, "again");
        let id = house.listed(&[])[0]["id"].as_str().unwrap().to_owned();
        let one = format!("/revocations/{id}");
        assert_eq!(house.ask("DELETE", &one, &right, "").await.0, 200);
        assert_eq!(house.ask("DELETE", &one, &right, "").await.0, 404, "it is taken back already");

        fs::write(house.props.folder.join("admin.token"), "short").unwrap();
        let (status, text) = house.ask("GET", "/revocations", &bearer("short"), "").await;
        assert_eq!(status, 503, "a token that can be guessed opens nothing: {text}");
        let log = fs::read_to_string(house.props.folder.join("countersign.log")).unwrap();
        assert!(log.contains("without its token was refused"), "{log}");
        assert!(!log.contains("canary") && !log.contains(TOKEN), "{log}");
    }

    /// Every kind of thing, from a shell: revoked, listed, found, taken back. P206, P253: with a word of what may revoke nothing.
    #[tokio::test]
    async fn everything_that_can_be_revoked_is_revoked_from_a_shell() {
        let house = House::open().await;
        let of = |kind: &'static str, value: &'static str| vec![kind, value, "--issuer", ISSUER];
        let digest = "ab".repeat(32);
        let things: Vec<(&str, Vec<&str>)> = vec![
            ("jti", of("--jti", "t-1")),
            ("sub", of("--subject", "alice")),
            ("sid", of("--session", "s-1")),
            ("client", of("--client", "web")),
            ("kid", of("--kid", "2026-03")),
            ("issuer", vec!["--issuer", ISSUER]),
            ("certificate", vec!["--certificate", "clients/frontend.pem"]),
            ("certificate", vec!["--certificate-sha256", &digest]),
            ("spki", vec!["--spki", &digest]),
            ("serial", vec!["--serial", "0a1b", "--certificate-issuer", "CN=prod CA,O=Example"]),
            ("spiffe", vec!["--spiffe", FRONTEND]),
        ];
        for (kind, thing) in &things {
            let more = ["--reason", "drill", "--author", "carol", "--expires", "24h"];
            let run = house.run(&[&["revoke"], &thing[..], &more].concat());
            run.shows(
                0,
                &["revoked on this replica only: it has no shared store (`store: { redis: .. }`)"],
            );
            let listed = house.listed(&["--kind", kind]);
            let own = listed.iter().find(|entry| entry["reason"] == "drill").unwrap();
            assert_eq!((&own["author"], &own["list"]), (&json!("carol"), &json!("running")));
            assert!(own["expires"].is_string() && own["at"].is_string() && own["id"].is_string());
        }
        assert_eq!(house.listed(&[]).len(), things.len());
        assert_eq!(house.listed(&["--contains", "alice"]).len(), 1);
        assert_eq!(house.listed(&["--author", "dave"]).len(), 0);
        let table = house.run(&["revocations", "--kind", "sub"]);
        assert!(
            table.stdout.contains("alice") && table.stdout.contains("carol"),
            "{}",
            table.stdout
        );
        table.shows(
            0,
            &["11 in force; the entries of lists in the line form are counted, not shown"],
        );
        for (_, thing) in &things {
            let run = house.run(&[&["revoke", "--undo"], &thing[..]].concat());
            assert_eq!(run.code, 0, "{thing:?}: {}", run.stderr);
            assert!(run.stdout.contains("withdrawn"), "{}", run.stdout);
        }
        house.run(&["revocations"]).shows(0, &["no entries"]);
        let again = house.run(&["revoke", "--undo", "--jti", "t-1", "--issuer", ISSUER]);
        assert_eq!(again.code, 1);
        assert!(
            again.stderr.contains("no revocation on running servers matches"),
            "{}",
            again.stderr
        );
        let unknown = house.run(&["revoke", "--jti", "x", "--issuer", "https://other.example"]);
        assert_eq!(unknown.code, 0);
        assert!(unknown.stdout.contains("no `TokenIssuer` document has the issuer"));
        for (thing, told) in [
            (&["--kid", "no-such-key", "--issuer", ISSUER][..], "is called `no-such-key`"),
            (
                &["--spiffe", "spiffe://strange.example/a"],
                "no document vouches for the SPIFFE trust domain `strange.example`",
            ),
            (&["--subject", "alice ", "--issuer", ISSUER], "white space"),
            (&["--subject", "*", "--issuer", ISSUER], "no wildcard"),
        ] {
            let run = house.run(&[&["revoke"], thing].concat());
            assert_eq!(run.code, 0, "{}", run.stderr);
            assert!(run.stdout.contains(told), "{told}: {}", run.stdout);
        }
        house.props.write("wrong.token", "f".repeat(32));
        let admin = format!("http://{}", house.admin);
        let wrong = ["--admin", &admin, "--token-file", "wrong.token"];
        let wrong = house.props.run_with(&[&["revocations"][..], &wrong].concat(), "");
        assert_eq!(wrong.code, 1);
        assert!(wrong.stderr.contains("the server refused: the token is missing or wrong"));
    }

    /// A mistake is reported before any server is asked, with an exit code of its own.
    #[test]
    fn a_slip_is_reported_before_any_server_is_asked() {
        let props = Props::new();
        props.write("admin.token", TOKEN);
        let server = "--admin http://127.0.0.1:1 --token-file admin.token";
        for (arguments, code, text) in [
            ("revoke", 2, ""),
            ("revoke --jti x", 2, "--issuer <ISSUER>"),
            ("revoke --jti x --subject y --issuer i", 2, ""),
            ("revoke --serial 1", 2, "--certificate-issuer <NAME>"),
            ("revoke --spiffe x", 2, "spiffe"),
            ("revoke --spki xyz", 2, "SHA-256"),
            ("revoke --certificate absent.pem", 2, "cannot read `absent.pem`"),
            ("revoke --certificate admin.token", 2, "no certificate in PEM"),
            ("revoke --jti x --issuer i --expires yesterday", 2, "expected a time"),
            ("revoke --jti x --issuer i --undo --issued-before now", 2, "cannot be used with"),
            ("revoke --jti x --issuer i --expires 2020-01-01T00:00:00Z", 2, "which is past"),
            ("revoke --jti x --issuer i", 1, "cannot connect to 127.0.0.1:1"),
            ("revocations", 1, "is `admin` set on the server?"),
            ("revocations --kind jtis", 2, "`--kind` is none of"),
        ] {
            let run = props.run(&format!("{arguments} {server}"), "");
            assert_eq!(run.code, code, "{arguments}: {}", run.stderr);
            assert!(run.stderr.contains(text), "{arguments}: {}", run.stderr);
            assert!(run.stdout.is_empty(), "{arguments}: {}", run.stdout);
        }
        for (arguments, text) in [
            ("revocations", "`--token-file` is missing"),
            ("revocations --token-file absent", "cannot read `absent`"),
            ("revocations --token-file admin.token --admin https://x", "is not a URL such as"),
            ("revocations --token-file admin.token --admin http://192.0.2.1:1", "unencrypted"),
            ("revocations --documents a --token-file b", "cannot be used with"),
        ] {
            let run = props.run(arguments, "");
            assert_eq!(run.code, 2, "{arguments}: {}", run.stderr);
            assert!(run.stderr.contains(text), "{arguments}: {}", run.stderr);
        }
    }

    /// P740: the address and the token of the settings count for the list, too; and a list of documents alone says that it is one.
    #[tokio::test]
    async fn the_list_is_that_of_the_server_of_the_settings() {
        let house = House::open().await;
        let props = &house.props;
        let with =
            |arguments: &str| props.run(&format!("{arguments} --config countersign.yaml"), "");
        let revoked = with(&format!("revoke --subject alice --issuer {ISSUER}"));
        revoked.shows(
            0,
            &["revoked on this replica only: it has no shared store (`store: { redis: .. }`)"],
        );
        for more in ["", "--token-file admin.token "] {
            let listed = with(&format!("revocations {more}--output json"));
            assert_eq!(listed.code, 0, "{more}: {}", listed.stderr);
            assert_eq!(listed.json()["entries"][0]["sub"], "alice", "{more}");
            assert!(!listed.stderr.contains("documents only"), "{}", listed.stderr);
        }
        let listed = with("revocations --documents policies");
        assert!(listed.stdout.contains("no entries"), "{}", listed.stdout);
        assert!(listed.stderr.contains("a running server may have more"), "{}", listed.stderr);

        let settings = fs::read_to_string(props.folder.join("countersign.yaml")).unwrap();
        let closed = settings.replace(", revocations: { tokenFile: admin.token }", "");
        assert_ne!(closed, settings);
        props.write("closed.yaml", closed);
        let listed = props.run("revocations --config closed.yaml", "");
        assert_eq!(listed.code, 0, "{}", listed.stderr);
        assert!(listed.stderr.contains("a running server may have more"), "{}", listed.stderr);
        let revoke = format!("revoke --subject alice --issuer {ISSUER} --config closed.yaml");
        let run = props.run(&revoke, "");
        assert_eq!(run.code, 2, "{}", run.stderr);
        for part in ["the revocation API is off: `closed.yaml` has no", "revoke --write FILE"] {
            assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
        }
    }

    /// P741: the name of a document is no issuer: it is refused by the documents at hand, and by the server.
    #[tokio::test]
    async fn the_name_of_a_document_is_no_issuer() {
        let house = House::open().await;
        let props = &house.props;
        let named = format!("`corp` is the name of a TokenIssuer; its `iss` is `{ISSUER}`");
        let refused = |run: &Run, code: i32| {
            assert_eq!(run.code, code, "{}{}", run.stdout, run.stderr);
            assert!(run.stderr.contains(&named), "{}", run.stderr);
        };
        let revoke = "revoke --subject alice --issuer corp";
        refused(&props.run(&format!("{revoke} --config countersign.yaml"), ""), 2);
        refused(&props.run(&format!("{revoke} --write policies/revoked.yaml"), ""), 2);
        refused(&house.run(&revoke.split(' ').collect::<Vec<_>>()), 1);
        assert_eq!(house.listed(&[]).len(), 0);
        assert!(!props.folder.join("policies/revoked.yaml").exists());
        let strange = "revoke --subject alice --issuer https://other.example";
        let run = props.run(&format!("{strange} --write policies/revoked.yaml"), "");
        assert_eq!(run.code, 0, "{}", run.stderr);
        assert!(run.stderr.contains("no `TokenIssuer` document has the issuer"), "{}", run.stderr);
        let run = props.run("check policies", "");
        assert!(run.stderr.contains("unknown-issuer"), "{}", run.stderr);
    }

    /// P255: of entries that are written at once none is lost, and one that is written through a link is where it leads.
    #[test]
    fn entries_that_are_written_at_once_are_all_there() {
        let props = Props::new();
        props.write("real/revoked.yaml", "");
        fs::remove_file(props.folder.join("real/revoked.yaml")).unwrap();
        let write = |id: usize, path: &str| {
            let arguments = format!("revoke --jti t-{id} --issuer {ISSUER} --write {path}");
            let run = props.run(&arguments, "");
            assert_eq!(run.code, 0, "{}", run.stderr);
        };
        write(0, "real/revoked.yaml");
        let link = props.folder.join("link.yaml");
        std::os::unix::fs::symlink("real/revoked.yaml", &link).unwrap();
        std::thread::scope(|threads| {
            for id in 1..=12 {
                let path = if id % 2 == 0 { "link.yaml" } else { "real/revoked.yaml" };
                threads.spawn(move || write(id, path));
            }
        });
        assert!(link.is_symlink());
        let listed = props.run("revocations --documents real --output json", "");
        assert_eq!(listed.json()["entries"].as_array().unwrap().len(), 13);
        std::os::unix::fs::symlink("nowhere.yaml", props.folder.join("lost.yaml")).unwrap();
        let run = props.run(&format!("revoke --spiffe {FRONTEND} --write lost.yaml"), "");
        assert_eq!(run.code, 1, "{}", run.stderr);
    }

    /// `--write` makes a document or adds to one, and leaves alone whatever it does not understand.
    #[test]
    fn an_entry_is_written_to_a_document_that_counts_when_it_is_put_in_force() {
        let props = Props::new();
        let path = props.folder.join("revoked_today.yaml");
        let read = || fs::read_to_string(&path).unwrap();
        let write = "--write revoked_today.yaml --author carol";
        let first = props.run(&format!("revoke --spiffe {FRONTEND} {write} --reason leaked"), "");
        first.shows(0, &["written to revoked_today.yaml; it counts when the file is put in force"]);
        fs::write(&path, format!("{}    # by hand\n", read())).unwrap();
        let second = props
            .run(&format!("revoke --certificate clients/frontend.pem {write} --output json"), "");
        assert_eq!((second.code, second.json()), (0, json!({ "written": "revoked_today.yaml" })));
        assert!(read().contains("# by hand"), "{}", read());
        let listed = props.run("revocations --documents revoked_today.yaml --output json", "");
        let entries = listed.json()["entries"].as_array().unwrap().clone();
        assert_eq!((entries.len(), &entries[0]["list"]), (2, &json!("revoked-today")));
        assert_eq!(
            (&entries[0]["spiffe"], &entries[0]["reason"]),
            (&json!(FRONTEND), &json!("leaked"))
        );
        assert_eq!(entries[1]["author"], "carol");
        let print = props.pki.frontend.fingerprint().to_hex();
        assert_eq!(entries[1]["certificate"], json!(print));
        props.run("revocations --documents revoked_today.yaml --author carol", "").shows(
            0,
            &["2 in force; the entries of lists in the line form are counted, not shown"],
        );

        for foreign in [
            "apiVersion: countersign.dev/v1alpha1\nkind: Policy\nmetadata: { name: p }\nspec: {}\n",
            "apiVersion: countersign.dev/v1alpha1\nkind: RevocationList\nmetadata: { name: p }\nspec: { entries: [] }\n",
            "kind: nonsense\n",
            "{",
        ] {
            fs::write(&path, foreign).unwrap();
            let run = props.run(&format!("revoke --spiffe {FRONTEND} {write}"), "");
            assert_eq!((run.code, read().as_str()), (4, foreign), "{}", run.stderr);
            assert!(run.stderr.contains("add by hand: - {"), "{}", run.stderr);
        }
        let run = props.run(&format!("revoke --spiffe {FRONTEND} --write absent/x.yaml"), "");
        assert_eq!(run.code, 1, "{}", run.stderr);
        for (more, why) in [
            ("--write x.txt", "end with `.yaml`"),
            ("--write .x.yaml", "do not begin with a dot"),
            ("--write x.yaml --expires 2020-01-01T00:00:00Z", "which is past"),
        ] {
            let run = props.run(&format!("revoke --spiffe {FRONTEND} {more}"), "");
            assert_eq!(run.code, 2, "{more}: {}", run.stderr);
            assert!(run.stderr.contains(why), "{more}: {}", run.stderr);
        }
        assert!(!props.folder.join("x.txt").exists() && !props.folder.join("x.yaml").exists());
        assert_eq!(props.run("revocations --documents absent.yaml", "").code, 4);
    }
}
