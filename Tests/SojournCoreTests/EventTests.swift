import SojournCore
import SojournTesting
import Testing

@Suite struct EventTests {
    private static let id = SessionID(at: Instant(milliseconds: 1_795_134_806_249), partition: 9)
    private static let durable = Array(#"{"v":1,"epoch":"1a2b3c4d.7","seq":12,"at":1795220673178,"#.utf8)

    @Test func `the head of a durable event is read`() throws {
        let body = Event.body(type: "user.message", sessionID: Self.id, data: Array(#"{"content":"hi"}"#.utf8))
        let event = try #require(Event(bytes: Self.durable + body))
        #expect(event.epoch == "1a2b3c4d.7")
        #expect(event.seq == 12)
        #expect(event.at == Instant(milliseconds: 1_795_220_673_178))
        #expect(event.type == EventType.userMessage)
        #expect(!event.isDoorbell)
        #expect(event.cursor?.description == "1a2b3c4d.7:12")
        let json = try event.json()
        #expect(json["sessionId"]?.string == Self.id.text)
        #expect(json["turnId"] == nil)
        #expect(json["data"]?["content"] == "hi")
    }

    @Test func `a turn stands before the data`() throws {
        let body = Event.body(type: "agent.message", sessionID: Self.id, turnID: "\(Self.id).1", data: Array("{}".utf8))
        let json = try #require(Event(bytes: Self.durable + body)).json()
        #expect(json["turnId"]?.string == "\(Self.id).1")
        #expect(json.object?.members.map(\.name) == ["v", "epoch", "seq", "at", "type", "sessionId", "turnId", "data"])
    }

    @Test func `an ephemeral event has no seq`() throws {
        let event = try #require(
            Event.ephemeral(
                type: EventType.streamGap, sessionID: Self.id, epoch: "e.1", at: Instant(milliseconds: 5),
                data: ["from": 1, "to": 4]))
        #expect(event.seq == nil)
        #expect(event.cursor == nil)
        #expect(event.at.milliseconds == 5)
        #expect(try event.json()["data"]?["to"] == 4)
    }

    @Test func `a doorbell says only that there is an event`() throws {
        let event = try #require(Event(bytes: Array(#"{"v":1,"epoch":"e.1","seq":7,"doorbell":true}"#.utf8)))
        #expect(event.isDoorbell)
        #expect(event.cursor == Cursor(epoch: "e.1", seq: 7))
    }

    @Test(arguments: [
        "", "{", "hello", #"{"v":2,"epoch":"e","seq":1,"at":1,"type":"x"}"#, #"{"v":1,"epoch":"e"#, #"{"v":1,"epoch":"#,
        #"{"v":1,"epoch":"e","doorbell":true}"#, #"{"v":1,"epoch":"e","seq":,"at":1,"type":"x"}"#,
        #"{"v":1,"epoch":"e","seq":-1,"at":1,"type":"x"}"#, #"{"v":1,"epoch":"e","seq":1,"at":x,"type":"x"}"#,
        #"{"v":1,"epoch":"e","seq":1,"at":1}"#, #"{"v":1,"epoch":"e","seq":1,"at":1,"type":"x"#,
        #"{"v":1,"epoch":"e","seq":99999999999999999999,"at":1,"type":"x"}"#,
    ])
    func `garbage is refused`(text: String) {
        #expect(Event(bytes: Array(text.utf8)) == nil)
    }

    @Test func `unknown types of newer versions are read`() {
        let event = Event(bytes: Self.durable + Array(#""type":"future.thing","more":[1]}"#.utf8))
        #expect(event?.type == "future.thing")
    }

    @Test(arguments: 0..<500 as Range<UInt64>)
    func `no bytes crash the reader`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let whole = Self.durable + Event.body(type: "user.message", sessionID: Self.id, data: Array("{}".utf8))
        var bytes = whole
        bytes.removeLast(Int.random(in: 0...bytes.count, using: &generator))
        for _ in 0..<Int.random(in: 0...3, using: &generator) where !bytes.isEmpty {
            let place = Int.random(in: 0..<bytes.count, using: &generator)
            bytes[place] = UInt8.random(in: .min ... .max, using: &generator)
        }
        if let event = Event(bytes: bytes) {
            #expect(event.bytes == bytes)
            #expect(bytes.starts(with: Array(#"{"v":1,"epoch":""#.utf8)))
        } else {
            #expect(bytes != whole)
        }
    }

    @Test func `messages and closing events are told apart by name`() {
        #expect(EventType.messages == ["user.message", "agent.message", "system.message"])
        #expect(EventType.closing == ["session.expired", "session.ended", "session.archived"])
    }
}
