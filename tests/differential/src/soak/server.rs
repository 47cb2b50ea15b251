//! The server under test: a process of its own, with its folder.

use std::cell::RefCell;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// Longest wait for anything that the server does: an issuer that failed for long is asked again within two minutes.
const PATIENCE: Duration = Duration::from_secs(150);

const TOKEN: &str = "a-soak-of-countersign-0123456789abcdef";

/// The process, and where it listens.
pub struct Server {
    program: PathBuf,
    folder: tempfile::TempDir,
    /// The address of checks.
    pub checks: SocketAddr,
    admin: SocketAddr,
    child: Option<Child>,
    /// The set of documents that was confirmed last.
    confirmed: RefCell<String>,
}

/// The memory and descriptors of a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// Memory beside files, in KiB.
    pub memory: u64,
    /// Open descriptors.
    pub descriptors: u64,
}

/// A text that says what failed.
pub type Done<T> = Result<T, String>;

fn failed<E: std::fmt::Display>(what: &str) -> impl FnOnce(E) -> String {
    move |error| format!("{what}: {error}")
}

fn free() -> Done<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(failed("no port"))?;
    listener.local_addr().map_err(failed("no port"))
}

impl Server {
    /// Prepares a folder with these files beside the documents.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn new<'a>(program: PathBuf, files: impl IntoIterator<Item = (&'a String, &'a Vec<u8>)>) -> Done<Self> {
        let folder = tempfile::tempdir().map_err(failed("no folder"))?;
        let own = Self { program, folder, checks: free()?, admin: free()?, child: None, confirmed: RefCell::default() };
        for name in ["documents", "state"] {
            fs::create_dir(own.folder.path().join(name)).map_err(failed(name))?;
        }
        for (name, bytes) in files {
            own.write(&format!("documents/{name}"), bytes)?;
        }
        own.write("admin.token", TOKEN.as_bytes())?;
        Ok(own)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Done<()> {
        fs::write(self.path(name), bytes).map_err(failed(name))
    }

    /// Replaces the documents as a whole.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn put_documents(&self, text: &str) -> Done<()> {
        self.write("next.yaml", text.as_bytes())?;
        fs::rename(self.path("next.yaml"), self.path("documents/world.yaml")).map_err(failed("documents"))
    }

    /// Writes over the documents, as an editor does that is interrupted.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn break_documents(&self, text: &str) -> Done<()> {
        self.write("documents/world.yaml", format!("{text}\n\t- [").as_bytes())
    }

    /// Starts with these settings, and waits until it is ready.
    ///
    /// # Errors
    /// It does not become ready; with the end of its log.
    pub fn start(&mut self, settings: &Value) -> Done<()> {
        let mut all = json!({
            "listener": { "address": self.checks.to_string(), "shownHeaders": "every" },
            "admin": { "address": self.admin.to_string(), "revocations": { "tokenFile": "admin.token" } },
            "documents": ["documents/world.yaml"],
            "stateFolder": "state",
            "audit": { "file": "audit.log" },
            "deadline": "10s",
            "log": { "level": "error" },
        });
        for (name, value) in settings.as_object().into_iter().flatten() {
            all["listener"][name] = value.clone();
        }
        self.write("countersign.yaml", all.to_string().as_bytes())?;
        let log = fs::File::options().create(true).append(true).open(self.path("log")).map_err(failed("log"))?;
        let again = log.try_clone().map_err(failed("log"))?;
        let mut command = Command::new(&self.program);
        command.args(["serve", "--config", "countersign.yaml"]).current_dir(self.folder.path());
        let child = command.stdin(Stdio::null()).stdout(log).stderr(again).spawn().map_err(failed("countersign"))?;
        self.child = Some(child);
        self.until("ready", |own| own.get("/readyz").is_ok_and(|(status, _)| status == 200))
    }

    /// Ends it: asked to, or killed.
    ///
    /// # Errors
    /// It does not end.
    pub fn stop(&mut self, killed: bool) -> Done<()> {
        let Some(mut child) = self.child.take() else { return Ok(()) };
        if killed {
            child.kill().map_err(failed("kill"))?;
        } else {
            let id = child.id().to_string();
            Command::new("kill").arg(&id).status().map_err(failed("kill"))?;
        }
        child.wait().map_err(failed("wait")).map(drop)
    }

    /// Waits until something holds.
    ///
    /// # Errors
    /// It does not; with the end of the log.
    pub fn until(&self, what: &str, holds: impl Fn(&Self) -> bool) -> Done<()> {
        let begun = Instant::now();
        while !holds(self) {
            if begun.elapsed() > PATIENCE {
                return Err(format!("not {what} after {} s:\n{}", PATIENCE.as_secs(), self.log()));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn log(&self) -> String {
        let log = fs::read_to_string(self.path("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
    }

    /// The revision of the documents in force.
    pub fn revision(&self) -> Option<String> {
        let (_, body) = self.get("/status").ok()?;
        let status: Value = serde_json::from_str(&body).ok()?;
        status["revision"].as_str().map(str::to_owned)
    }

    /// Confirms documents that wait for it, since a deny rule is not in them any more; nothing where none wait.
    pub fn confirm(&self) {
        let Ok((_, status)) = self.get("/status") else { return };
        let set = status.split_once("curl -X PUT -d ").and_then(|(_, rest)| rest.split(' ').next());
        // Once for each set: a confirmation makes the server look again, and files count once they rest.
        if let Some(set) = set.filter(|set| *self.confirmed.borrow() != **set) {
            *self.confirmed.borrow_mut() = set.to_owned();
            // If it fails, the documents do not come into force, and the wait for them ends with the log.
            let _ = self.ask("PUT", "/documents/confirmed", set);
        }
    }

    fn get(&self, path: &str) -> Done<(u16, String)> {
        self.ask("GET", path, "")
    }

    /// Revokes, or takes back.
    ///
    /// # Errors
    /// The answer is another than it has to be.
    pub fn revoke(&self, entry: &Value, back: bool) -> Done<()> {
        let (method, good) = if back { ("DELETE", 200) } else { ("POST", 201) };
        let (status, body) = self.ask(method, "/revocations", &entry.to_string())?;
        if status == good { Ok(()) } else { Err(format!("{method} {entry}: {status} {body}")) }
    }

    fn ask(&self, method: &str, path: &str, body: &str) -> Done<(u16, String)> {
        let mut stream = TcpStream::connect(self.admin).map_err(failed("admin"))?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(failed("admin"))?;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}",
            self.admin
        );
        stream.write_all(request.as_bytes()).map_err(failed("admin"))?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(failed("admin"))?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("admin: no answer")?;
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or("admin: no status")?;
        Ok((status, body.to_owned()))
    }

    /// The memory and descriptors of the process.
    pub fn usage(&self) -> Option<Usage> {
        let id = self.child.as_ref()?.id();
        let folder = Path::new("/proc").join(id.to_string());
        let status = fs::read_to_string(folder.join("status")).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"))?;
        let memory = line.split_whitespace().next()?.parse().ok()?;
        let descriptors = fs::read_dir(folder.join("fd")).ok()?.count();
        Some(Usage { memory, descriptors: u64::try_from(descriptors).ok()? })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends with the soak, however that ends.
        let _ = self.stop(true);
    }
}
