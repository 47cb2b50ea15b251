//! Conditions in CEL: leaves that are true, false or unknown for some request, and what `&&`, `||`, `!` and `?:` make of them.

use crate::random::Random;

const REQUEST: [&str; 34] = [
    "request.method == 'GET'",
    "request.method != 'POST'",
    "request.host == 'a.example.com'",
    "request.host.endsWith('.example.com')",
    "request.scheme == 'https'",
    "request.fullPath.startsWith('/a')",
    "request.fullPath == '/a/b'",
    "request.fullPath.contains('b')",
    "size(request.fullPath) > 3",
    "request.authorityPort == 8443",
    "has(request.authorityPort)",
    "'x-a' in request.headers",
    "!('x-a' in request.headers)",
    "request.headers['x-a'] == '1'",
    "'x-a' in request.headers && request.headers['x-a'] == '1'",
    "request.headers['x-a'] in ['1', 'eu']",
    "int(request.headers['x-a']) >= 1",
    "request.headers['user-agent'] == 'c'",
    "request.headers['referer'] == 'https://a.example.com/'",
    "connection.tls",
    "!connection.tls",
    "connection.port == 8443",
    "connection.source == '10.0.0.8'",
    "has(connection.destination)",
    "connection.sni == 'a.example.com'",
    "has(connection.sni)",
    "client.address == '10.0.0.8'",
    "has(client.address)",
    "context.zone == 'p'",
    "'zone' in context",
    "has(context.zone)",
    "now > 1767261600",
    "now % 2 == 0",
    "request.method + 'x' == 'GETx'",
];

/// Claims that are null now and then, asked for by name.
const MEMBERS: [&str; 4] = ["'plan' in token.claims", "!('plan' in token.claims)", "'groups' in token.claims", "'level' in token.claims"];

const TOKEN: [&str; 64] = [
    "token.sub == 'alice'",
    "token.sub != 'alice'",
    "token.client == 'front'",
    "token.iss == 'https://login.example.com'",
    "token.jti == 'j'",
    "token.tenant == 'acme'",
    "token.tenant.startsWith('eu-')",
    "has(token.tenant)",
    "has(token.jti)",
    "token.exp > now",
    "has(token.exp)",
    "token.exp - now < 60",
    "'admin' in token.scopes",
    "size(token.scopes) > 1",
    "'orders' in token.audiences",
    "token.audiences == ['orders']",
    "token.claims.plan == 'gold'",
    "token.claims.plan != 'gold'",
    "token.claims.plan < 'tin'",
    "token.claims.plan + '!' == 'gold!'",
    "token.claims.plan.contains('ol')",
    "size(token.claims.plan) == 4",
    "token.claims['plan'] == 'gold'",
    "token.claims.plan == token.claims.acr",
    "token.claims.plan.matches('^g.*d$')",
    "token.claims.level == 3",
    "token.claims.level != 3",
    "token.claims.level == 3.0",
    "token.claims.level > 2",
    "token.claims.level >= 3.5",
    "token.claims.level < 4",
    "token.claims.level in [1, 3]",
    "token.claims.level + 1 == 4",
    "token.claims.level * 2 == 6",
    "token.claims.level / 2 == 1",
    "token.claims.level % 2 == 1",
    "token.claims.level / 0 == 1",
    "-token.claims.level == -3",
    "int(token.claims.level) == 3",
    "string(token.claims.level) == '3'",
    "9223372036854775807 + token.claims.level > 0",
    "[token.claims.level, 1] == [3, 1]",
    "(token.claims.level == 3 ? true : false)",
    "token.claims.level == null",
    "has(token.claims.level)",
    "'x' in token.claims.groups",
    "3 in token.claims.groups",
    "token.claims.groups == ['x']",
    "token.claims.groups[0] == 'x'",
    "size(token.claims.groups) == 1",
    "token.claims.groups.exists(g, g == 'x')",
    "token.claims.groups.all(g, g.startsWith('x'))",
    "token.claims.groups.all(g, g == 'x' || g == 3)",
    "token.claims.groups.exists_one(g, g == 'x')",
    "token.claims.groups.filter(g, g == 'x').size() == 1",
    "token.claims.groups.map(g, g) == ['x']",
    "token.claims.groups + ['z'] == ['x', 'z']",
    "token.claims.o.p == 'q'",
    "has(token.claims.o.p)",
    "has(token.claims.o) && has(token.claims.o.p)",
    "'p' in token.claims.o",
    "!has(token.claims.groups)",
    "token.claims.ok",
    "token.claims.ok == true",
];

const PEER: [&str; 10] = [
    "peer.spiffe == 'spiffe://prod.example/ns/web/sa/front'",
    "has(peer.spiffe)",
    "peer.spiffe.startsWith('spiffe://prod.example/')",
    "peer.evidence == 'hash'",
    "peer.evidence in ['leaf', 'full']",
    "peer.trustDomain == 'prod'",
    "'g.p.example' in peer.dns",
    "size(peer.dns) == 0",
    "'10.0.0.9' in peer.ips",
    "peer.ips == ['10.0.0.9']",
];

const CAPTURE: [&str; 2] = ["request.path.id == 'b'", "request.path.id != 'alice'"];

/// The subjects of a condition beside the request.
#[derive(Clone, Copy)]
pub struct About {
    /// The token.
    pub token: bool,
    /// The peer.
    pub peer: bool,
    /// `request.path.id`.
    pub capture: bool,
}

/// A condition.
pub fn condition(random: &mut Random, about: About) -> String {
    let mut leaves = REQUEST.to_vec();
    for (wanted, more, times) in
        [(about.token, &TOKEN[..], 2), (about.token, &MEMBERS[..], 8), (about.peer, &PEER[..], 3), (about.capture, &CAPTURE[..], 3)]
    {
        (0..times).filter(|_| wanted).for_each(|_| leaves.extend(more));
    }
    let depth = random.pick(&[0, 0, 1, 1, 2]);
    let text = expression(random, &leaves, depth);
    // A subject that is the captured name.
    if about.token && about.capture && random.percent(10) { format!("token.sub == request.path.id || ({text})") } else { text }
}

fn expression(random: &mut Random, leaves: &[&str], depth: usize) -> String {
    if depth == 0 {
        return random.pick(leaves).to_owned();
    }
    let mut part = || expression(random, leaves, depth - 1);
    let (a, b, c) = (part(), part(), part());
    match random.between(0, 9) {
        0 | 1 => format!("!({a})"),
        2 => format!("({a}) ? ({b}) : ({c})"),
        3..=6 => format!("({a}) && ({b})"),
        _ => format!("({a}) || ({b})"),
    }
}
