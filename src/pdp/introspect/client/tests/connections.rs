//! Connections that end, or go on, when they should not.

use super::*;

/// Answers each question, and ends connections at odd moments: the first question is always answered.
async fn serve_oddly(config: Arc<rustls::ServerConfig>) -> (u16, Arc<Mutex<(usize, usize)>>) {
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tokio_rustls::TlsAcceptor::from(config);
    let counted = Arc::new(Mutex::new((0, 0)));
    let counts = Arc::clone(&counted);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let counts = Arc::clone(&counts);
            tokio::spawn(async move {
                let number = {
                    let mut counts = counts.lock().unwrap();
                    counts.0 += 1;
                    counts.0
                };
                let mut request = [0; 4096];
                for question in 0..=number % 4 {
                    let Ok(1..) = stream.read(&mut request).await else { return };
                    counts.lock().unwrap().1 += 1;
                    // It has read a question and goes away: with nothing, as a proxy does that is restarted.
                    if question > 0 && question == number % 4 {
                        return;
                    }
                    let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
                    stream.write_all(answer).await.unwrap();
                }
                // Or it ends the connection after an answer, without a word before.
                if number % 3 == 0 {
                    let _ = stream.shutdown().await;
                }
            });
        }
    });
    (port, counted)
}

/// P401: a kept connection that ends before any part of an answer is no failure of the endpoint.
#[tokio::test]
async fn kept_connections_may_end_at_any_moment() {
    let pki = Pki::new();
    let (port, counted) = serve_oddly(pki.server_config(false)).await;
    let url = format!("https://localhost:{port}/introspect");
    let client = client(&source(&url, "basic: { file: secret }", &pki).unwrap());
    for number in 0..500 {
        assert_eq!(client.ask(&token()).await.unwrap(), "{}", "{number}");
    }
    let (connections, questions) = *counted.lock().unwrap();
    assert!(
        connections > 100 && questions > 550,
        "{connections} connections, {questions} questions"
    );
    assert!(questions <= 1000, "no question is asked more than twice");
}

/// P401: after the first byte of an answer, and on a connection of its own, no question is asked again.
#[tokio::test]
async fn a_question_that_was_begun_to_be_answered_is_not_repeated() {
    let pki = Pki::new();
    for answers in [&["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", "HTTP/1.1 2"][..], &[""]] {
        let listener = TcpListener::bind("localhost:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = tokio_rustls::TlsAcceptor::from(pki.server_config(false));
        let asked = Arc::new(Mutex::new(0));
        let counted = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut stream = acceptor.accept(stream).await.unwrap();
                for answer in answers {
                    let mut request = [0; 4096];
                    let Ok(1..) = stream.read(&mut request).await else { break };
                    *counted.lock().unwrap() += 1;
                    stream.write_all(answer.as_bytes()).await.unwrap();
                }
                let _ = stream.shutdown().await;
            }
        });
        let url = format!("https://localhost:{port}/introspect");
        let client = client(&source(&url, "basic: { file: secret }", &pki).unwrap());
        for _ in 1..answers.len() {
            assert_eq!(client.ask(&token()).await.unwrap(), "{}");
        }
        let error = client.ask(&token()).await.unwrap_err();
        let begun = matches!(error, FetchError::Http);
        assert!(begun == (answers.len() > 1) && (begun || matches!(error, FetchError::Unanswered)));
        assert_eq!(*asked.lock().unwrap(), answers.len());
    }
}

/// P451: an answer that no question was asked for is not the answer to the next one.
#[tokio::test]
async fn a_late_answer_is_no_answer_to_another_question() {
    let pki = Pki::new();
    let listener = TcpListener::bind("localhost:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tokio_rustls::TlsAcceptor::from(pki.server_config(false));
    let (sent, mut late) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (mut stream, sent) = (acceptor.accept(stream).await.unwrap(), sent.clone());
            tokio::spawn(async move {
                let mut request = [0; 4096];
                while let Ok(1..) = stream.read(&mut request).await {
                    for body in ["{}", "[]"] {
                        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{body}");
                        let _ = stream.write_all(answer.as_bytes()).await;
                        let _ = stream.flush().await;
                    }
                    let _ = sent.send(()).await;
                }
            });
        }
    });
    let url = format!("https://localhost:{port}/introspect");
    let client = client(&source(&url, "basic: { file: secret }", &pki).unwrap());
    for number in 0..50 {
        assert_eq!(client.ask(&token()).await.unwrap(), "{}", "{number}");
        late.recv().await.unwrap();
    }
}
