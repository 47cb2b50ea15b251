//! The server of an issuer's key set, with moods.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// How it answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// With the key set.
    Good,
    /// With the key set, after a second.
    Slow,
    /// With 503.
    Failing,
    /// With something else than a key set.
    Garbage,
    /// Not at all.
    Silent,
    /// With a closed connection.
    Closing,
}

/// All of them.
pub const MOODS: [Mood; 6] = [Mood::Good, Mood::Slow, Mood::Failing, Mood::Garbage, Mood::Silent, Mood::Closing];

struct State {
    mood: Mood,
    keys: Vec<u8>,
    /// Key sets that were given out since they last changed.
    given: u64,
}

/// A server on a free port of loopback, which lives as long as the process.
#[derive(Clone)]
pub struct Issuer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
}

impl Issuer {
    /// Serves these keys.
    ///
    /// # Errors
    /// Where there is no port.
    pub fn serve(keys: Vec<u8>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let state = Arc::new(Mutex::new(State { mood: Mood::Good, keys, given: 0 }));
        let issuer = Self { address: listener.local_addr()?, state };
        let own = issuer.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                thread::spawn(move || own.answer(stream));
            }
        });
        Ok(issuer)
    }

    /// The address of the key set.
    pub fn url(&self) -> String {
        format!("http://{}/keys", self.address)
    }

    /// Changes the mood.
    pub fn set_mood(&self, mood: Mood) {
        self.state(|state| state.mood = mood);
    }

    /// Publishes other keys.
    pub fn publish(&self, keys: Vec<u8>) {
        self.state(|state| (state.keys, state.given) = (keys, 0));
    }

    /// True if the present keys were given out.
    pub fn was_read(&self) -> bool {
        self.state(|state| state.given > 0)
    }

    fn state<T>(&self, use_it: impl FnOnce(&mut State) -> T) -> T {
        use_it(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut request = [0; 4096];
        if !matches!(stream.read(&mut request), Ok(1..)) {
            return;
        }
        let (mood, keys) = self.state(|state| (state.mood, state.keys.clone()));
        let (status, body) = match mood {
            Mood::Good | Mood::Slow => ("200 OK", keys),
            Mood::Failing => ("503 Service Unavailable", Vec::new()),
            Mood::Garbage => ("200 OK", b"<html>maintenance</html>".to_vec()),
            Mood::Silent => return thread::sleep(Duration::from_secs(20)),
            Mood::Closing => return,
        };
        if mood == Mood::Slow {
            thread::sleep(Duration::from_secs(1));
        }
        let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
        let sent = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)).is_ok();
        // A client that closes has read everything.
        let _ = stream.read(&mut request);
        if sent && matches!(mood, Mood::Good | Mood::Slow) {
            self.state(|state| state.given += u64::from(state.keys == body));
        }
    }
}
