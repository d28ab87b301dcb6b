import SojournArchive
import SojournCore
import SojournStore
import SojournTesting
import Testing

@testable import SojournServer

/// Search over HTTP, from any node, and retention.
@Suite struct SearchRouteTests {
    private func search(_ node: TestNode, _ query: String) throws -> HTTPAnswer {
        let q = query.replacing("%", with: "%25").replacing(" ", with: "%20").replacing("\"", with: "%22")
        return try node.call("GET", target: "/api/messaging/search?q=\(q)")
    }

    private func places(_ answer: HTTPAnswer) -> [String] {
        (answer["hits"]?.array ?? []).map { "\($0["sessionId"]?.string ?? "")/\($0["seq"]?.int ?? 0)" }
    }

    /// Two archivists with some ended sessions each, and a node without an archive.
    private func world(_ body: (_ nodes: [TestNode], _ ids: [String]) async throws -> Void) async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let nodes = [
            try await TestNode.start(on: redis, name: "a", archivePath: folder.file("a.sqlite")),
            try await TestNode.start(on: redis, name: "b", archivePath: folder.file("b.sqlite")),
            try await TestNode.start(on: redis, name: "c"),
        ]
        // Until both have work, the first one may have it all.
        try await eventually("both archive") {
            let id = try nodes[2].create()
            #expect(try nodes[2].call("DELETE", "/\(id)").status == 200)
            for node in nodes.prefix(2) where try await node.archive?.stats().committed == 0 { return false }
            return true
        }
        var ids: [String] = []
        for number in 0..<16 {
            let id = try nodes[number % 3].create()
            try nodes[0].say("needle \(number) <b>&\"bold\"</b> 東京都", in: id)
            try await nodes[1].answer(number.isMultiple(of: 2) ? "an even answer" : "an odd answer, needle", in: id)
            #expect(try nodes[2].call("DELETE", "/\(id)").status == 200)
            ids.append(id)
        }
        try await eventually("all is found") { self.places(try self.search(nodes[2], "needle&limit=100")).count == 24 }
        try await body(nodes, ids)
        for node in nodes { await node.stop() }
    }

    @Test func `hits of all archivists come merged, each once, on every node`() async throws {
        try await self.world { nodes, ids in
            for node in nodes.prefix(2) {
                let own = try #require(node.archive)
                let found = try await own.search(SearchRequest(try SearchQuery("needle"))).hits.count
                #expect(found > 0 && found < 24, "\(found)")
            }
            for node in nodes {
                for order in ["rank", "time"] {
                    let whole = self.places(try self.search(node, "needle&limit=100&order=\(order)"))
                    #expect(Set(whole).count == 24)
                    for limit in [1, 7] {
                        var (paged, cursor) = ([String](), "")
                        repeat {
                            let page = try self.search(node, "needle&limit=\(limit)&order=\(order)&cursor=\(cursor)")
                            #expect(page.status == 200)
                            paged += self.places(page)
                            cursor = page["nextCursor"]?.string ?? ""
                        } while !cursor.isEmpty
                        #expect(paged == whole)
                    }
                }
                let ranks = try self.search(node, "needle OR odd&limit=100")["hits"]?.array?.compactMap {
                    $0["rank"]?.double
                }
                #expect(ranks?.isEmpty == false && ranks == ranks?.sorted(by: >))
            }
            let one = try self.search(nodes[2], "\"needle 3\"")
            #expect(self.places(one).map { $0.split(separator: "/").first.map(String.init) } == [ids[3]])
            let hit = one["hits"]?.array?.first
            #expect(hit?["snippet"] == "<mark>needle 3</mark> &lt;b&gt;&amp;&quot;bold&quot;&lt;/b&gt; 東京都")
            #expect(hit?["agentId"]?.string == TestNode.agent && hit?["userId"]?.string == TestNode.user)
            #expect(hit?["archived"] == true && hit?["isAgent"] == false)
            #expect(hit?["createdAt"]?.string?.hasSuffix("Z") == true)
        }
    }

    @Test func `filters narrow, and what cannot be read is 400 with its place`() async throws {
        try await self.world { nodes, _ in
            let node = nodes[2]
            func count(_ query: String) throws -> Int { self.places(try self.search(node, query + "&limit=100")).count }
            #expect(try count("needle NOT odd") == 16)
            #expect(try count("京都") == 16)
            #expect(try count("needl*") == 24)
            #expect(try count("needle&userId=\(TestNode.user)") == 24)
            #expect(try count("needle&userId=\(TestNode.agent)") == 0)
            #expect(try count("needle&agentId=\(TestNode.agent)") == 24)
            #expect(try count("needle&from=2000-01-01&to=2100-01-01") == 24)
            #expect(try count("needle&to=2000-01-01") == 0)
            for (query, position) in [("", 0), ("needle AND", 7), ("\"needle", 0), ("(needle", 0), ("x n*", 2)] {
                let answer = try self.search(node, query)
                #expect(answer.status == 400 && answer.code == "VALIDATION_ERROR", "\(query)")
                #expect(answer["error"]?["details"]?["position"]?.int == position, "\(query): \(answer.text)")
            }
            for query in ["needle&userId=x", "needle&from=x", "needle&cursor=x", "needle&order=x"] {
                #expect(try self.search(node, query).status == 400, "\(query)")
            }
            #expect(try node.call("POST", target: "/api/messaging/search?q=a").status == 405)
        }
    }

    @Test func `without an archivist a search is 503`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let answer = try self.search(node, "needle")
        #expect(answer.status == 503 && answer.code == "ARCHIVE_UNAVAILABLE")
        #expect(answer.header("Retry-After") != nil)
        await node.stop()
    }

    @Test func `sessions are deleted when they were kept long enough, by the rule of their agent`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let folder = TemporaryFolder()
        let node = try await TestNode.start(on: redis, archivePath: folder.file("a.sqlite")) { configuration in
            configuration.archiveRetention = 2 * 86_400_000
        }
        let agents = ["short": "1d", "ever": "forever"].mapValues { $0 }
        var ids: [String: String] = [:]
        for (name, retention) in agents {
            let id = name == "short" ? "33333333-3333-4333-8333-333333333333" : "44444444-4444-4444-8444-444444444444"
            let answer = try node.call(
                "PUT", target: "/api/messaging/agents/\(id)", #"{"archiveRetention":"\#(retention)"}"#)
            #expect(answer["archiveRetention"]?.string == retention)
            let made = try node.call("POST", "", #"{"agentId":"\#(id)","userId":"\#(TestNode.user)"}"#)
            ids[name] = try #require(made["sessionId"]?.string)
        }
        #expect(
            try node.call("PUT", target: "/api/messaging/agents/\(TestNode.agent)", #"{"archiveRetention":"soon"}"#)
                .status
                == 400)
        _ = try node.call("PUT", target: "/api/messaging/agents/\(TestNode.agent)", "{}")
        ids["usual"] = try node.create()
        for id in ids.values { #expect(try node.call("DELETE", "/\(id)").status == 200) }
        let archive = try #require(node.archive)
        try await eventually("all are archived") { try await archive.stats().committed == 3 }
        func kept() async throws -> Set<String> {
            Set(try await archive.list(limit: 10).sessions.map(\.header.id))
        }
        try node.advance(minutes: 1.5 * 1440)
        try await eventually("the short one is gone") {
            try await kept() == Set([ids["usual"], ids["ever"]].compactMap { $0 })
        }
        try node.advance(minutes: 1.5 * 1440)
        try await eventually("the usual one is gone") { try await kept() == Set([ids["ever"]].compactMap { $0 }) }
        await node.stop()
    }
}
