import SojournLoop
import Testing

@testable import SojournCommand

@Suite struct RedisAddressTests {
    @Test(
        arguments: [
            ("redis://host", "host", 6379, nil, nil, 0), ("redis://host:7000/3", "host", 7000, nil, nil, 3),
            ("redis://[::1]:7000", "::1", 7000, nil, nil, 0), ("redis://[::1]", "::1", 6379, nil, nil, 0),
            ("redis://me:secret@host/", "host", 6379, "me", "secret", 0),
            ("redis://:secret@host", "host", 6379, nil, "secret", 0), ("redis://me@host", "host", 6379, "me", nil, 0),
            ("REDIS://u:p%40%2Fq%3A@10.0.0.1:1/15", "10.0.0.1", 1, "u", "p@/q:", 15),
            ("redis://u:a:b@h", "h", 6379, "u", "a:b", 0), ("redis://u:a@b@h", "h", 6379, "u", "a@b", 0),
        ] as [(String, String, Int, String?, String?, Int)])
    func `addresses on the network are read`(
        text: String, host: String, port: Int, user: String?, password: String?, database: Int
    ) throws {
        let address = try RedisAddress(text)
        #expect(address.place == .tcp(host: host, port: port))
        #expect(address.user == user)
        #expect(address.password == password)
        #expect(address.database == database)
        if let password { #expect(!address.shown.contains(password)) }
    }

    @Test func `unix sockets are read`() throws {
        #expect(try RedisAddress("unix:/run/redis.sock") == RedisAddress(unix: "/run/redis.sock"))
        #expect(try RedisAddress("unix:///run/redis.sock") == RedisAddress(unix: "/run/redis.sock"))
        let address = try RedisAddress("unix:/a?db=2&user=u&password=p%3D1")
        #expect(address.database == 2)
        #expect(address.user == "u")
        #expect(address.password == "p=1")
        #expect(address.shown == "unix:/a?db=2")
    }

    @Test(arguments: [
        "", "host", "redis:host", "redis://", "redis://:1", "redis://h:", "redis://h:0", "redis://h:70000",
        "redis://h:x",
        "redis://h/x", "redis://h/-1", "redis://[::1", "redis://[::1]x", "redis://h h", "redis://u:%zz@h",
        "redis://u:%4@h",
        "unix:relative", "unix:", "unix:/a?db=x", "unix:/a?db", "unix:/a?colour=red", "http://h",
    ])
    func `everything else is refused with the rule`(text: String) throws {
        let rule = try #require(throws: Rule.self) { try RedisAddress(text) }
        #expect(rule.sentence == RedisAddress.rule.sentence)
        for form in ["redis[s]://", "unix:", "redis[s]+sentinel://", "redis[s]+cluster://"] {
            #expect(rule.sentence.contains(form))
        }
    }

    @Test func `sentinels are read with the name of the master`() throws {
        let address = try RedisAddress("redis+sentinel://u:p@a,b:26380,[::1]/main/2?sentinel-password=q%40")
        let sentinels: [Endpoint] = [
            .tcp(host: "a", port: 26_379), .tcp(host: "b", port: 26_380), .tcp(host: "::1", port: 26_379),
        ]
        #expect(address.place == .sentinel(sentinels, master: "main") && address.database == 2)
        #expect(address.user == "u" && address.password == "p" && address.sentinelPassword == "q@")
        #expect(address.shown == "redis+sentinel://u@a:26379,b:26380,[::1]:26379/main/2")
        #expect(try RedisAddress("rediss+sentinel://a/m").isSecure)
    }

    @Test(arguments: [
        "redis+sentinel://a", "redis+sentinel://a/", "redis+sentinel:///m", "redis+sentinel://a,/m",
        "redis+sentinel://a/m/x", "redis+sentinel://a/m/1/2", "redis+sentinel://a/m?colour=red", "redis+sentinel:a/m",
    ])
    func `what is no address of sentinels is refused with its own rule`(text: String) throws {
        let rule = try #require(throws: Rule.self) { try RedisAddress(text) }
        #expect(rule.sentence == RedisAddress.sentinelRule.sentence)
    }

    @Test func `members of a cluster are read`() throws {
        let address = try RedisAddress("redis+cluster://u:p@a,b:7001")
        #expect(address.place == .cluster([.tcp(host: "a", port: 6379), .tcp(host: "b", port: 7001)]))
        #expect(address.user == "u" && address.password == "p" && address.database == 0)
        #expect(address.shown == "redis+cluster://u@a:6379,b:7001")
        #expect(try RedisAddress("rediss+cluster://a").isSecure)
    }

    @Test(arguments: ["redis+cluster://", "redis+cluster://a/1", "redis+cluster://a,", "redis+cluster://a?x=y"])
    func `what is no address of a cluster is refused with its own rule`(text: String) throws {
        let rule = try #require(throws: Rule.self) { try RedisAddress(text) }
        #expect(rule.sentence == RedisAddress.clusterRule.sentence)
    }

    @Test func `an s asks for TLS`() throws {
        let address = try RedisAddress("rediss://u:p@h:7000/2")
        #expect(address.isSecure && address.place == .tcp(host: "h", port: 7000) && address.database == 2)
        #expect(address.shown == "rediss://u@h:7000/2")
        #expect(try !RedisAddress("redis://h").isSecure)
    }

    @Test func `a path that no socket can have is refused`() throws {
        let rule = try #require(throws: Rule.self) { try RedisAddress("unix:/" + String(repeating: "a", count: 107)) }
        #expect(rule.sentence == "the path of a unix socket, which has at most 107 bytes")
    }

    @Test func `error messages never show a password`() {
        #expect(RedisAddress.redacted("redis://u:p@h:x") == "redis://(not shown)@h:x")
        #expect(RedisAddress.redacted("unix:/a?password=p") == "unix:/a?(not shown)")
        #expect(RedisAddress.redacted("redis://h") == "redis://h")
        let both = "redis+sentinel://u:p@h/m?sentinel-password=a@b"
        #expect(RedisAddress.redacted(both) == "redis+sentinel://(not shown)@h/m?(not shown)")
    }
}
