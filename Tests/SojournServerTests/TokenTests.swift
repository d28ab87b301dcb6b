import Foundation
import SojournCore
import SojournTesting
import Testing

@testable import SojournServer

/// Tokens that are made by hand, good and bad.
struct TokenMill {
    static let secret = Base64URL.encode(Array("0123456789abcdef0123456789abcdef".utf8))
    static let other = Base64URL.encode(Array("ffffffffffffffffffffffffffffffff".utf8))
    static let seed = Base64URL.encode(Array("an ed25519 seed has 32 bytes, ok".utf8))

    static func keys() throws -> [TokenKey] {
        [
            try #require(TokenKey(id: "h1", hs256: Self.secret)), try #require(TokenKey(id: "e1", ed25519: Self.seed)),
        ]
    }

    /// A token with any header and claims, signed by any key.
    static func token(_ header: JSON, _ claims: JSON, by key: TokenKey?) -> String {
        let signed = Base64URL.encode(header.bytes) + "." + Base64URL.encode(claims.bytes)
        return signed + "." + (key?.signature(of: Array(signed.utf8)).map { Base64URL.encode($0) } ?? "")
    }
}

@Suite struct TokenTests {
    struct Bed {
        let redis: RedisServer
        let node: TestNode
        /// A session of the user, another one of the same user, and one of somebody else.
        let mine: String
        let also: String
        let foreign: String

        func get(_ id: String, _ token: String) throws -> HTTPAnswer {
            try self.node.call("GET", "/\(id)", headers: ["Authorization": "Bearer \(token)"])
        }

        func mint(_ id: String, _ body: String = "{}") throws -> HTTPAnswer {
            try self.node.call("POST", "/\(id)/tokens", body, headers: ["X-API-KEY": "backend"])
        }
    }

    static func bed(
        keys: [TokenKey]? = nil, on redis: RedisServer? = nil, name: String = "a"
    ) async throws -> Bed {
        let server: RedisServer
        if let redis { server = redis } else { server = try await RedisServer.start() }
        let tokenKeys = try keys ?? TokenMill.keys()
        let node = try await TestNode.start(
            on: server, name: name,
            server: {
                $0.accessKeys = [
                    AccessKey(name: "b", role: .backend, secret: "backend"),
                    AccessKey(name: "w", role: .worker, secret: "worker"),
                ]
                $0.tokenKeys = tokenKeys
            })
        func create(_ user: String) throws -> String {
            let body = #"{"agentId":"\#(TestNode.agent)","userId":"\#(user)"}"#
            let answer = try node.call("POST", "", body, headers: ["X-API-KEY": "backend"])
            return try #require(answer["sessionId"]?.string)
        }
        let stranger = "99999999-9999-4999-8999-999999999999"
        return Bed(
            redis: server, node: node, mine: try create(TestNode.user), also: try create(TestNode.user),
            foreign: try create(stranger))
    }

    /// Claims that open a session for ten minutes.
    private static func claims(_ id: String?, at now: Instant, change: (inout JSONObject) -> Void = { _ in }) -> JSON {
        let seconds = Int(now.milliseconds / 1000)
        var claims: JSONObject = [
            "aud": "sojourn", "sub": .string(TestNode.user), "jti": "t", "iat": JSON(seconds), "nbf": JSON(seconds),
            "exp": JSON(seconds + 600), "rnw": JSON(seconds + 6000), "cap": ["read", "write"],
        ]
        if let id { claims["sid"] = .string(id) }
        change(&claims)
        return .object(claims)
    }

    @Test func `each bad token is refused in one shape`() async throws {
        let bed = try await Self.bed()
        defer { bed.redis.stop() }
        let keys = try TokenMill.keys()
        let (hs, ed) = (keys[0], keys[1])
        let now = Instant(milliseconds: Int64(Date().timeIntervalSince1970 * 1000))
        let seconds = Int(now.milliseconds / 1000)
        let hsHead: JSON = ["alg": "HS256", "typ": "JWT", "kid": "h1"]
        let good = Self.claims(bed.mine, at: now)
        let goodText = TokenMill.token(hsHead, good, by: hs)
        #expect(try bed.get(bed.mine, goodText).status == 200)
        #expect(try bed.get(bed.mine, TokenMill.token(["alg": "EdDSA", "kid": "e1"], good, by: ed)).status == 200)
        func claims(_ change: (inout JSONObject) -> Void) -> JSON { Self.claims(bed.mine, at: now, change: change) }
        let forger = try #require(TokenKey(id: "h1", hs256: TokenMill.other))
        // The public key of e1 as the secret of an HS256 token: what confuses checkers that believe `alg`.
        let publicAsSecret = try #require(TokenKey(id: "e1", hs256: TokenMill.seed))
        let parts = goodText.split(separator: ".").map(String.init)
        var flipped = Array(parts[2].utf8)
        flipped[5] = flipped[5] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
        let bad: [(String, String)] = [
            ("expired", TokenMill.token(hsHead, claims { $0["exp"] = JSON(seconds - 1) }, by: hs)),
            ("without an end", TokenMill.token(hsHead, claims { $0["exp"] = nil }, by: hs)),
            ("an end that is no time", TokenMill.token(hsHead, claims { $0["exp"] = "never" }, by: hs)),
            ("an end beyond all times", TokenMill.token(hsHead, claims { $0["exp"] = JSON(1 << 52) }, by: hs)),
            ("not yet valid", TokenMill.token(hsHead, claims { $0["nbf"] = JSON(seconds + 300) }, by: hs)),
            ("a begin that is no time", TokenMill.token(hsHead, claims { $0["nbf"] = "soon" }, by: hs)),
            ("other audience", TokenMill.token(hsHead, claims { $0["aud"] = "elsewhere" }, by: hs)),
            ("no audience", TokenMill.token(hsHead, claims { $0["aud"] = nil }, by: hs)),
            ("no user", TokenMill.token(hsHead, claims { $0["sub"] = nil }, by: hs)),
            ("no capabilities", TokenMill.token(hsHead, claims { $0["cap"] = nil }, by: hs)),
            ("unknown capability", TokenMill.token(hsHead, claims { $0["cap"] = ["read", "admin"] }, by: hs)),
            ("a session that is no text", TokenMill.token(hsHead, claims { $0["sid"] = .null }, by: hs)),
            ("alg none", TokenMill.token(["alg": "none", "kid": "h1"], good, by: nil)),
            ("alg none with a signature", TokenMill.token(["alg": "none", "kid": "h1"], good, by: hs)),
            ("alg None", TokenMill.token(["alg": "None", "kid": "h1"], good, by: nil)),
            ("no alg", TokenMill.token(["kid": "h1"], good, by: hs)),
            ("HS for the key of EdDSA", TokenMill.token(["alg": "HS256", "kid": "e1"], good, by: publicAsSecret)),
            ("EdDSA for the key of HS", TokenMill.token(["alg": "EdDSA", "kid": "h1"], good, by: ed)),
            ("RS256", TokenMill.token(["alg": "RS256", "kid": "h1"], good, by: hs)),
            ("HS512", TokenMill.token(["alg": "HS512", "kid": "h1"], good, by: hs)),
            ("other key", TokenMill.token(hsHead, good, by: forger)),
            ("unknown kid", TokenMill.token(["alg": "HS256", "kid": "h9"], good, by: hs)),
            ("no kid", TokenMill.token(["alg": "HS256"], good, by: hs)),
            ("kid of a path", TokenMill.token(["alg": "HS256", "kid": "../../dev/null"], good, by: hs)),
            ("crit", TokenMill.token(["alg": "HS256", "kid": "h1", "crit": ["x"]], good, by: hs)),
            ("truncated signature", String(goodText.dropLast(4))),
            ("truncated claims", parts[0] + "." + String(parts[1].dropLast(3)) + "." + parts[2]),
            ("no signature", parts[0] + "." + parts[1] + "."),
            ("tampered signature", parts[0] + "." + parts[1] + "." + String(decoding: flipped, as: UTF8.self)),
            (
                "tampered claims",
                parts[0] + "." + Base64URL.encode(claims { $0["cap"] = ["read", "write", "presence"] }.bytes) + "."
                    + parts[2]
            ),
            ("padded", goodText + "="), ("trailing bits", goodText + "A"), ("a part more", goodText + "." + parts[2]),
            ("two parts", parts[0] + "." + parts[1]), ("dots", ".."), ("nothing", ""),
            ("not JSON", Base64URL.encode("{") + "." + parts[1] + "." + parts[2]),
            ("a list for a header", TokenMill.token(["HS256"], good, by: hs)),
            ("endless", parts[0] + "." + String(repeating: "A", count: 8000) + "." + parts[2]),
        ]
        for (what, token) in bad {
            let answer = try bed.get(bed.mine, token)
            #expect(answer.status == 401, "\(what): \(answer.status) \(answer.text)")
            #expect(answer.text == Gate.refusal.text, "\(what)")
            #expect(try bed.node.call("GET", "/\(bed.mine)/stream?token=\(token)").status == 401, "\(what) in a query")
        }
        // Whose session it is not, or which does not exist: the same words but for the id that was asked for.
        let user = TokenMill.token(hsHead, Self.claims(nil, at: now), by: hs)
        let absent = String(bed.mine.dropLast(4)) + "0000"
        for (token, id) in [
            (goodText, bed.also), (goodText, bed.foreign), (goodText, absent), (goodText, "nonsense"),
            (user, bed.foreign), (user, absent), (user, "nonsense"),
        ] {
            for (method, path) in [
                ("GET", ""), ("GET", "/messages"), ("GET", "/events"), ("GET", "/stream"), ("POST", "/renew"),
                ("DELETE", ""), ("POST", "/messages"), ("POST", "/tokens"), ("POST", "/tokens/refresh"),
            ] {
                let answer = try bed.node.call(
                    method, "/\(id)\(path)", path == "/messages" && method == "POST" ? #"{"content":"x"}"# : nil,
                    headers: ["Authorization": "Bearer \(token)"])
                #expect(answer.status == 404, "\(method) \(path) of \(id): \(answer.text)")
                #expect(answer.message == "Session with ID '\(id)' not found")
            }
        }
        #expect(try bed.get(bed.mine, user).status == 200)
        #expect(try bed.get(bed.also, user).status == 200)
        await bed.node.stop()
    }

    @Test func `a revoked key takes its tokens with it, and a new key stands beside the old one`() async throws {
        let old = try #require(TokenKey(id: "old", hs256: TokenMill.secret))
        let new = try #require(TokenKey(id: "new", ed25519: TokenMill.seed))
        let first = try await Self.bed(keys: [old])
        defer { first.redis.stop() }
        let token = try #require(try first.mint(first.mine)["token"]?.string)
        let second = try await Self.bed(keys: [new, old], on: first.redis, name: "b")
        #expect(try second.get(first.mine, token).status == 200)
        let newer = try #require(try second.mint(first.mine)["token"]?.string)
        #expect(newer.split(separator: ".").first != token.split(separator: ".").first)
        #expect(try second.get(first.mine, newer).status == 200)
        let third = try await Self.bed(keys: [new], on: first.redis, name: "c")
        #expect(try third.get(first.mine, token).status == 401)
        #expect(try third.get(first.mine, newer).status == 200)
        for bed in [first, second, third] { await bed.node.stop() }
    }

    @Test func `a token opens what its capabilities say`() async throws {
        let bed = try await Self.bed()
        defer { bed.redis.stop() }
        func token(_ list: String, _ scope: String = "session") throws -> String {
            let answer = try bed.mint(bed.mine, #"{"capabilities":\#(list),"ttl":60,"scope":"\#(scope)"}"#)
            #expect(answer.status == 201, "\(answer.text)")
            return try #require(answer["token"]?.string)
        }
        let tokens = [try token(#"["read"]"#), try token(#"["write"]"#), try token(#"["heartbeat"]"#, "user")]
        let both = #"{"sessions":["\#(bed.mine)","\#(bed.foreign)","nonsense"]}"#
        let rows: [(String, String, String?, [Int])] = [
            ("GET", "/\(bed.mine)", nil, [200, 403, 403]),
            ("POST", "/\(bed.mine)/messages", #"{"content":"hi"}"#, [403, 201, 403]),
            ("POST", "/\(bed.mine)/heartbeat", nil, [403, 403, 200]),
            ("POST", "/heartbeat", both, [403, 403, 200]),
            ("POST", "/\(bed.mine)/deltas", "{}", [403, 403, 403]),
            ("POST", "/\(bed.mine)/tokens", "{}", [403, 403, 403]),
            ("GET", "", nil, [403, 403, 403]), ("POST", "", "{}", [403, 403, 403]),
            ("GET", "/health", nil, [403, 403, 403]),
        ]
        for (method, path, body, statuses) in rows {
            for (token, expected) in zip(tokens, statuses) {
                let answer = try bed.node.call(method, path, body, headers: ["Authorization": "Bearer \(token)"])
                #expect(answer.status == expected, "\(method) \(path): \(answer.text)")
                if path == "/heartbeat", expected == 200 {
                    #expect(answer["results"]?.array?.map { $0["ok"]?.bool } == [true, false, false])
                    let refused = answer["results"]?.array?.dropFirst().map { $0["error"]?["message"]?.string }
                    #expect(
                        refused == [bed.foreign, "nonsense"].map { "Session with ID '\($0)' not found" },
                        "a foreign session is as unknown as one that never was")
                }
            }
        }
        for wrong in [
            #"{"capabilities":[]}"#, #"{"capabilities":["admin"]}"#, #"{"capabilities":"read"}"#, #"{"ttl":0}"#,
            #"{"ttl":86401}"#, #"{"ttl":"1h"}"#, #"{"scope":"all"}"#,
        ] {
            #expect(try bed.mint(bed.mine, wrong).status == 400, "\(wrong)")
        }
        let worker = try bed.node.call("POST", "/\(bed.mine)/tokens", "{}", headers: ["X-API-KEY": "worker"])
        #expect(worker.status == 403)
        await bed.node.stop()
    }

    @Test func `a stream ends with its token, unless the token was refreshed, on any node`() async throws {
        let bed = try await Self.bed()
        defer { bed.redis.stop() }
        let other = try await Self.bed(on: bed.redis, name: "b")
        func open(_ token: String) throws -> RawHTTP {
            let client = try bed.node.send(
                "GET", target: TestNode.base + "/\(bed.mine)/stream?token=\(token)", deadlineMilliseconds: 30_000)
            #expect(try client.readHead().status == 200)
            return client
        }
        func lastEvent(_ client: RawHTTP) throws -> JSON? {
            var last: JSON?
            while let event = try client.readEvent() {
                if event.event == "stream.end" { last = try JSON.parse(Array((event.data ?? "").utf8)) }
            }
            return last
        }
        func expiry(_ answer: HTTPAnswer) throws -> Int64 {
            try #require(answer["expiresAt"]?.string.flatMap { Instant(iso8601: $0) }).milliseconds
        }
        func storeTime() throws -> Int64 {
            let health = try bed.node.call("GET", "/health", headers: ["X-API-KEY": "backend"])
            return try #require(health["timestamp"]?.string.flatMap { Instant(iso8601: $0) }).milliseconds
        }
        let short = try #require(try bed.mint(bed.mine, #"{"ttl":60}"#)["token"]?.string)
        let lapsing = try open(short)
        try bed.node.advance(minutes: 1)
        #expect(try lastEvent(lapsing)?["data"]?["reason"] == "token_expired")
        try await eventually("the token is over") { try bed.get(bed.mine, short).status == 401 }

        let minted = try bed.mint(bed.mine, #"{"ttl":60}"#)
        let (kept, first) = (try #require(minted["token"]?.string), try expiry(minted))
        let staying = try open(kept)
        try bed.node.advance(minutes: 0.5)
        try await eventually("the other node, too, knows how late it is") {
            let refreshed = try other.node.call(
                "POST", "/\(bed.mine)/tokens/refresh", "{}", headers: ["Authorization": "Bearer \(kept)"])
            #expect(refreshed.status == 201, "\(refreshed.text)")
            return try expiry(refreshed) >= first + 20_000
        }
        try bed.node.advance(minutes: 0.5)
        try await eventually("the first token is over") { try bed.get(bed.mine, kept).status == 401 }
        let looked = try storeTime() + 2000
        try await eventually("its expiry has been looked at") { try storeTime() >= looked }
        #expect(try await bed.node.openStreams() == 1)
        try bed.node.advance(minutes: 1)
        #expect(try lastEvent(staying)?["data"]?["reason"] == "token_expired")
        let key = try bed.node.call("POST", "/\(bed.mine)/tokens/refresh", "{}", headers: ["X-API-KEY": "backend"])
        #expect(key.status == 403)
        await other.node.stop()
        await bed.node.stop()
    }

    @Test func `without keys that sign there are no tokens`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        #expect(try node.call("POST", "/\(try node.create())/tokens", "{}").status == 404)
        #expect(TokenKey(id: "short", hs256: Base64URL.encode("too short")) == nil)
        #expect(TokenKey(id: "bad", ed25519: "!") == nil)
        await node.stop()
    }
}
