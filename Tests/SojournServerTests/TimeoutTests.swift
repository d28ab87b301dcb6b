import SojournCore
import SojournTesting
import Testing

@testable import SojournServer

@Suite struct TimeoutTests {
    @Test func `on create every timeout is made to fit`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        // timeoutConfig, then timeout, auto-renewal, maximum duration and warning.
        let rows: [(String, String, String, String, String)] = [
            ("{}", "30", "true", "720", "5"),
            ("null", "30", "true", "720", "5"),
            ("[]", "30", "true", "720", "5"),
            ("7", "30", "true", "720", "5"),
            (#"{"timeoutMinutes":60}"#, "60", "true", "720", "5"),
            (#"{"timeoutMinutes":7.5}"#, "7.5", "true", "720", "5"),
            (#"{"timeoutMinutes":"60"}"#, "60", "true", "720", "5"),
            (#"{"timeoutMinutes":" 6e1 "}"#, "60", "true", "720", "5"),
            (#"{"timeoutMinutes":1}"#, "5", "true", "720", "5"),
            (#"{"timeoutMinutes":-1}"#, "5", "true", "720", "5"),
            (#"{"timeoutMinutes":0}"#, "5", "true", "720", "5"),
            (#"{"timeoutMinutes":99999}"#, "1440", "true", "1440", "5"),
            (#"{"timeoutMinutes":1e308}"#, "1440", "true", "1440", "5"),
            (#"{"timeoutMinutes":1e999}"#, "1440", "true", "1440", "5"),
            (#"{"timeoutMinutes":null}"#, "30", "true", "720", "5"),
            (#"{"timeoutMinutes":""}"#, "30", "true", "720", "5"),
            (#"{"timeoutMinutes":"abc"}"#, "30", "true", "720", "5"),
            (#"{"timeoutMinutes":"NaN"}"#, "30", "true", "720", "5"),
            (#"{"timeoutMinutes":"Infinity"}"#, "30", "true", "720", "5"),
            (#"{"timeoutMinutes":[60]}"#, "30", "true", "720", "5"),
            (#"{"timeoutMinutes":true}"#, "30", "true", "720", "5"),
            (#"{"autoRenew":false}"#, "30", "false", "720", "5"),
            (#"{"autoRenew":null}"#, "30", "true", "720", "5"),
            (#"{"autoRenew":"false"}"#, "30", "true", "720", "5"),
            (#"{"maxDurationMinutes":10}"#, "30", "true", "30", "5"),
            (#"{"maxDurationMinutes":99999}"#, "30", "true", "2880", "5"),
            (#"{"maxDurationMinutes":"90"}"#, "30", "true", "90", "5"),
            (#"{"maxDurationMinutes":null}"#, "30", "true", "720", "5"),
            (#"{"warningThresholdMinutes":0}"#, "30", "true", "720", "1"),
            (#"{"warningThresholdMinutes":-3}"#, "30", "true", "720", "1"),
            (#"{"warningThresholdMinutes":"x"}"#, "30", "true", "720", "5"),
            (#"{"warningThresholdMinutes":10}"#, "30", "true", "720", "10"),
            (#"{"unknown":1}"#, "30", "true", "720", "5"),
        ]
        for (config, timeout, auto, most, warning) in rows {
            let answer = try node.call(
                "POST", "",
                #"{"agentId":"\#(TestNode.agent)","userId":"\#(TestNode.user)","timeoutConfig":\#(config)}"#)
            #expect(answer.status == 201, "\(config)")
            #expect(
                answer["timeoutConfig"]?.text
                    == #"{"timeoutMinutes":\#(timeout),"autoRenew":\#(auto),"maxDurationMinutes":\#(most),"#
                    + #""warningThresholdMinutes":\#(warning)}"#, "\(config)")
            let life = try SessionBodyTests.at(answer["expiresAt"]) - SessionBodyTests.at(answer["createdAt"])
            #expect(Double(life) == (try #require(Double(timeout))) * 60_000, "\(config)")
        }
        await node.stop()
    }

    @Test func `a PATCH changes what it names and nothing else`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create(config: #"{"timeoutMinutes":30,"maxDurationMinutes":100}"#)
        let start = try SessionBodyTests.at(try node.call("GET", "/\(id)")["createdAt"])
        // A body, then what holds afterwards: timeout, auto-renewal, maximum duration, warning.
        let rows: [(String, String, String, String, String)] = [
            ("{}", "30", "true", "100", "5"),
            (#"{"timeoutMinutes":60}"#, "60", "true", "100", "5"),
            (#"{"timeoutMinutes":"45"}"#, "45", "true", "100", "5"),
            (#"{"timeoutMinutes":"soon"}"#, "45", "true", "100", "5"),
            (#"{"timeoutMinutes":""}"#, "45", "true", "100", "5"),
            (#"{"timeoutMinutes":5}"#, "5", "true", "100", "5"),
            (#"{"timeoutMinutes":1440}"#, "1440", "true", "1440", "5"),
            (#"{"timeoutMinutes":30}"#, "30", "true", "1440", "5"),
            (#"{"maxDurationMinutes":1}"#, "30", "true", "30", "5"),
            (#"{"maxDurationMinutes":99999}"#, "30", "true", "2880", "5"),
            (#"{"autoRenew":false}"#, "30", "false", "2880", "5"),
            (#"{"warningThresholdMinutes":0}"#, "30", "false", "2880", "1"),
            (#"{"warningThresholdMinutes":2.5,"nothing":null}"#, "30", "false", "2880", "2.5"),
        ]
        for (body, timeout, auto, most, warning) in rows {
            let answer = try node.call("PATCH", "/\(id)/timeout", body)
            #expect(answer.status == 200, "\(body): \(answer.text)")
            #expect(answer.json.names == SessionBodyTests.info)
            #expect(
                answer["timeoutConfig"]?.text
                    == #"{"timeoutMinutes":\#(timeout),"autoRenew":\#(auto),"maxDurationMinutes":\#(most),"#
                    + #""warningThresholdMinutes":\#(warning)}"#, "\(body)")
            // The base never moves: the deadline is counted from the creation.
            let life = try SessionBodyTests.at(answer["expiresAt"]) - start
            #expect(Double(life) == (try #require(Double(timeout))) * 60_000, "\(body)")
            #expect(answer["renewalCount"] == 0)
        }
        await node.stop()
    }

    @Test func `at the cap a renewal is 422 and a heartbeat extends nothing`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let id = try node.create(config: #"{"timeoutMinutes":30,"maxDurationMinutes":40}"#)
        let beat = try node.call("POST", "/\(id)/heartbeat")
        #expect(beat.status == 200)
        #expect(beat.json.names == SessionBodyTests.info + ["extended"])
        #expect(beat["extended"] == true && beat["renewalCount"] == 1)
        try node.advance(minutes: 20)
        // The last stretch before the cap: a renewal takes what is left.
        let renewed = try node.call("POST", "/\(id)/renew")
        #expect(renewed.status == 200)
        #expect(renewed.json.names == SessionBodyTests.info)
        let (start, end) = (
            try SessionBodyTests.at(renewed["createdAt"]), try SessionBodyTests.at(renewed["expiresAt"])
        )
        #expect(end - start == 40 * 60_000)
        let refused = try node.call("POST", "/\(id)/renew")
        #expect(refused.status == 422)
        #expect(refused.code == "SESSION_RENEWAL_FAILED")
        #expect(refused.message == "Cannot renew session '\(id)': Maximum duration reached")
        let still = try node.call("POST", "/\(id)/heartbeat")
        #expect(still.status == 200 && still["extended"] == false)
        #expect(still["expiresAt"] == renewed["expiresAt"] && still["renewalCount"] == renewed["renewalCount"])
        let said = try node.say("hi", in: id)
        #expect(said.status == 201 && said["sessionStatus"]?["wasRenewed"] == false)
        try node.advance(minutes: 21)
        #expect(try node.call("POST", "/\(id)/heartbeat").status == 410)
        await node.stop()
    }

    @Test func `a batch of heartbeats tells the outcome of each id in its place`() async throws {
        let redis = try await RedisServer.start()
        defer { redis.stop() }
        let node = try await TestNode.start(on: redis)
        let expired = try node.create(config: #"{"timeoutMinutes":5}"#)
        try node.advance(minutes: 6)
        let live = try (0..<40).map { _ in try node.create() }
        let capped = try node.create(config: #"{"timeoutMinutes":30,"maxDurationMinutes":30}"#)
        let silent = try node.create(config: #"{"autoRenew":false}"#)
        let ended = try node.create()
        #expect(try node.call("DELETE", "/\(ended)").status == 200)
        let unknown = SessionID(at: Instant(milliseconds: 1_795_000_000_000), partition: 3).text
        let ids = live + [expired, live[0].uppercased(), ended, "x", unknown, capped, silent, live[0]]
        try node.advance(minutes: 1)
        let answer = try node.call(
            "POST", "/heartbeat", JSON.object(["sessions": .array(ids.map { .string($0) })]).text)
        #expect(answer.status == 200)
        #expect(answer.json.names == ["results"])
        let results = try #require(answer["results"]?.array)
        #expect(results.compactMap { $0["sessionId"]?.string } == ids.map { $0.lowercased() })
        for result in results.prefix(40) {
            #expect(result.names == ["sessionId", "ok", "extended", "expiresAt", "timeRemaining", "head"])
            #expect(result["ok"] == true && result["extended"] == true && result["head"] == 1)
            #expect(SessionBodyTests.isInstant(result["expiresAt"]))
            #expect((result["timeRemaining"]?.int ?? 0) == 30 * 60_000)
        }
        let codes = results.dropFirst(40).map { $0["error"]?["code"]?.string ?? "" }
        #expect(
            codes == ["SESSION_EXPIRED", "", "SESSION_NOT_FOUND", "SESSION_NOT_FOUND", "SESSION_NOT_FOUND", "", "", ""])
        #expect(results[40]["ok"] == false && results[40].names == ["sessionId", "ok", "error"])
        #expect(results[43]["error"]?["message"] == "Session with ID 'x' not found")
        #expect(results[45]["extended"] == false && results[46]["extended"] == false)
        await node.stop()
    }
}
