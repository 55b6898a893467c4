//! A service that checks tokens with jsonwebtoken as it comes. It fetches no keys, so the twenty lines of `Keys` do.

use std::env::var;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use tiny_http::{Header, Request, Response, Server};

#[derive(Deserialize)]
struct Claims {
    sub: String,
}

enum Refused {
    Token(String),
    Keys(String),
}

/// The JWKS for as long as it is fresh; the old one while it cannot be fetched; anew at most once a second for an unknown kid.
struct Keys {
    url: String,
    lifetime: Duration,
    set: Option<JwkSet>,
    asked_at: Option<Instant>,
}

impl Keys {
    fn find(&mut self, kid: &str) -> Result<DecodingKey, Refused> {
        let known = self.set.as_ref().is_some_and(|set| set.find(kid).is_some());
        let age = self.asked_at.map_or(Duration::MAX, |at| at.elapsed());
        if age >= self.lifetime || (!known && age >= Duration::from_secs(1)) {
            self.asked_at = Some(Instant::now());
            let fetched = minreq::get(&self.url).with_timeout(5).send().and_then(|reply| reply.json::<JwkSet>());
            match fetched {
                Ok(set) => self.set = Some(set),
                Err(error) => eprintln!("the JWKS cannot be fetched: {error}"),
            }
        }
        let set = self.set.as_ref().ok_or(Refused::Keys("no keys".into()))?;
        let jwk = set.find(kid).ok_or(Refused::Token("unknown kid".into()))?;
        DecodingKey::from_jwk(jwk).map_err(|error| Refused::Token(error.to_string()))
    }
}

fn main() {
    let issuer = var("ISSUER").expect("ISSUER");
    let seconds = var("CACHE_SECONDS").map_or(300, |text| text.parse().expect("CACHE_SECONDS"));
    let keys = Arc::new(Mutex::new(Keys {
        url: format!("{issuer}/.well-known/jwks.json"),
        lifetime: Duration::from_secs(seconds),
        set: None,
        asked_at: None,
    }));
    // Algorithm::EdDSA and Algorithm::RS256 would be the others; the key's own alg is compared with it.
    let mut checks = Validation::new(Algorithm::ES256);
    checks.set_issuer(&[issuer]);
    checks.set_audience(&[var("AUDIENCE").expect("AUDIENCE")]);
    checks.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);

    let server = Server::http(format!("127.0.0.1:{}", var("PORT").expect("PORT"))).expect("listens");
    let server = Arc::new(server);
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (server, keys, checks) = (server.clone(), keys.clone(), checks.clone());
            std::thread::spawn(move || {
                while let Ok(request) = server.recv() {
                    answer(request, &keys, &checks);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("answers"));
}

fn answer(request: Request, keys: &Mutex<Keys>, checks: &Validation) {
    let authorization = request.headers().iter().find(|header| header.field.equiv("Authorization"));
    let token = authorization.and_then(|header| header.value.as_str().strip_prefix("Bearer ").map(str::to_owned));
    let (status, body) = match token.map(|token| verify(&token, keys, checks)) {
        None => (401, serde_json::json!({ "reason": "token_missing" })),
        Some(Ok(sub)) => (200, serde_json::json!({ "sub": sub })),
        Some(Err(Refused::Token(reason))) => (401, serde_json::json!({ "reason": reason })),
        Some(Err(Refused::Keys(reason))) => (503, serde_json::json!({ "reason": reason })),
    };
    let json = Header::from_bytes("content-type", "application/json").expect("a header");
    let _ = request.respond(Response::from_string(body.to_string()).with_status_code(status).with_header(json));
}

fn verify(token: &str, keys: &Mutex<Keys>, checks: &Validation) -> Result<String, Refused> {
    let refused = |error: jsonwebtoken::errors::Error| Refused::Token(error.to_string());
    let kid = decode_header(token).map_err(refused)?.kid.ok_or(Refused::Token("no kid".into()))?;
    let key = keys.lock().expect("not poisoned").find(&kid)?;
    decode::<Claims>(token, &key, checks).map(|token| token.claims.sub).map_err(refused)
}
