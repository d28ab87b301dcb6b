import SojournCore

/// The lines of an export, one JSON object each:
///
///     {"session":"<id>","agent":…,"user":…,"key":…,"createdAt":ms,"endedAt":ms,"reason":…,"head":n,"events":n,
///      "token":"<major>-<random>","chain":"<hex>","info":{…}}
///     {"seq":1,"epoch":…,"at":ms,"type":…,"body":{…}}         once for each event
///     {"end":"<id>","position":n}                             the session is whole
///
/// Bodies stand there byte for byte. One that is no JSON in one line is `"base64":"…"` instead.
enum ExportLine {
    static func session(_ session: ArchivedSession, chain: [UInt8]) -> [UInt8] {
        let header = session.header
        var head: JSONObject = [
            "session": .string(header.id), "agent": .string(header.agent), "user": .string(header.user),
        ]
        if let key = header.key { head["key"] = .string(key) }
        head["createdAt"] = JSON(header.createdAt)
        head["endedAt"] = JSON(header.endedAt)
        head["reason"] = .string(header.reason.rawValue)
        head["head"] = JSON(header.head)
        head["events"] = JSON(session.eventCount)
        head["token"] = .string(session.token.description)
        head["chain"] = .string(Hex.encode(chain))
        return self.line(head, "info", session.info, isJSON: (try? JSON.parse(session.info)) != nil)
    }

    static func event(_ event: TranscriptEvent, isJSON: Bool) -> [UInt8] {
        let head: JSONObject = [
            "seq": JSON(event.seq), "epoch": .string(event.epoch), "at": JSON(event.at), "type": .string(event.type),
        ]
        return self.line(head, "body", event.body, isJSON: isJSON)
    }

    static func end(_ id: String, position: Int64) -> [UInt8] {
        JSON.object(["end": .string(id), "position": JSON(position)]).bytes + [10]
    }

    /// The object with one more member, whose bytes are there already.
    private static func line(_ head: JSONObject, _ name: String, _ raw: [UInt8], isJSON: Bool) -> [UInt8] {
        var bytes = JSON.object(head).bytes
        bytes.removeLast()
        if isJSON, !raw.contains(10), !raw.contains(13), String(validating: raw, as: UTF8.self) != nil {
            bytes += ",\"\(name)\":".utf8
            bytes += raw
        } else {
            bytes += ",\"base64\":\"\(Base64.encode(raw))\"".utf8
        }
        bytes += "}\n".utf8
        return bytes
    }

    // MARK: Reading

    /// A line that was read.
    enum Read {
        case session(SessionHeader, token: HandoverToken, events: Int, chain: String, info: [UInt8])
        case event(TranscriptEvent)
        case end(String)
        /// A line about the export itself.
        case other
    }

    /// Reads a line, without its line feed; nil when it is none.
    static func read(_ line: ArraySlice<UInt8>) -> Read? {
        if let (head, name, raw) = self.split(line) {
            guard let raw = name == "base64" ? Base64.decode(raw) : Array(raw) else { return nil }
            if head["session"] != nil { return self.session(head, info: raw) }
            guard let seq = head["seq"]?.int, let epoch = head["epoch"]?.string, let at = head["at"]?.int,
                let type = head["type"]?.string
            else { return nil }
            return .event(TranscriptEvent(seq: seq, epoch: epoch, at: Int64(at), type: type, body: raw))
        }
        guard let json = try? JSON.parse(Array(line)), json.object != nil else { return nil }
        return json["end"]?.string.map(Read.end) ?? .other
    }

    private static func session(_ head: JSON, info: [UInt8]) -> Read? {
        let token = head["token"]?.string?.split(separator: "-", maxSplits: 1).map(String.init) ?? []
        guard let id = head["session"]?.string, let agent = head["agent"]?.string, let user = head["user"]?.string,
            let createdAt = head["createdAt"]?.int, let endedAt = head["endedAt"]?.int,
            let reason = head["reason"]?.string.flatMap(SessionHeader.Reason.init(rawValue:)),
            let last = head["head"]?.int, let events = head["events"]?.int, let chain = head["chain"]?.string,
            token.count == 2, let major = Int64(token[0])
        else { return nil }
        return .session(
            SessionHeader(
                id: id, agent: agent, user: user, key: head["key"]?.string, createdAt: Int64(createdAt),
                endedAt: Int64(endedAt), reason: reason, head: last),
            token: HandoverToken(major: major, random: token[1]), events: events, chain: chain, info: info)
    }

    private static let marks = ["body", "info", "base64"].map { ($0, Array(",\"\($0)\":".utf8)) }

    /// The object before the member that stands there as it is, that member's name, and its bytes. Inside a string no
    /// quotation mark stands without a backslash, so the first place that looks like such a member is one.
    private static func split(_ line: ArraySlice<UInt8>) -> (JSON, String, ArraySlice<UInt8>)? {
        guard line.last == UInt8(ascii: "}") else { return nil }
        var index = line.startIndex
        while let comma = line[index...].firstIndex(of: UInt8(ascii: ",")) {
            if let (name, mark) = self.marks.first(where: { line[comma...].starts(with: $0.1) }) {
                guard let head = try? JSON.parse(Array(line[..<comma]) + [UInt8(ascii: "}")]) else { return nil }
                let raw = line[(comma + mark.count)...].dropLast()
                return (head, name, name == "base64" ? raw.dropFirst().dropLast() : raw)
            }
            index = comma + 1
        }
        return nil
    }
}
