/// Takes in an export, chunk by chunk, and counts what became of its sessions.
///
/// A session is whole in the archive or not in it at all, and one that is there already is passed over; so an import that
/// was killed is simply begun again.
public struct Importer: Sendable {
    /// Events that are held in memory before they are written; a session is never divided.
    private static let batch = 5_000

    private let archive: Archive
    private var rest: [UInt8] = []
    private var line = 0
    private var open: (header: SessionHeader, token: HandoverToken, events: Int, chain: String, info: [UInt8])?
    private var events: [TranscriptEvent] = []
    private var waiting: [(session: ExportedSession, line: Int)] = []
    private var held = 0

    /// Sessions that were taken in.
    public private(set) var taken = 0
    /// Sessions that were there before.
    public private(set) var present = 0
    /// Sessions that were refused, with the line where each ends and the reason.
    public private(set) var refused: [(id: String, line: Int, reason: String)] = []

    /// An import into an open archive.
    public init(into archive: Archive) { self.archive = archive }

    /// Takes the next bytes.
    ///
    /// - Throws: ``ImportError`` when a line is none of an export, `ArchiveError` when the archive cannot be written; what
    ///   was taken before stays.
    public mutating func take(_ bytes: [UInt8]) async throws {
        self.rest += bytes
        var start = self.rest.startIndex
        while let end = self.rest[start...].firstIndex(of: 10) {
            self.line += 1
            try await self.take(line: self.rest[start..<end])
            start = end + 1
        }
        self.rest.removeSubrange(..<start)
    }

    /// Writes what is held; call it at the end of the export.
    ///
    /// - Throws: ``ImportError`` when the export ends within a session.
    public mutating func finish() async throws {
        try await self.write()
        if !self.rest.isEmpty || self.open != nil {
            throw ImportError(
                line: self.line + 1, "the export ends within a session; what was whole before it is imported")
        }
    }

    private mutating func take(line: ArraySlice<UInt8>) async throws {
        if line.isEmpty { return }
        switch ExportLine.read(line) {
        case .session(let header, let token, let events, let chain, let info):
            guard self.open == nil else { throw ImportError(line: self.line, "a session begins within another one") }
            self.open = (header, token, events, chain, info)
        case .event(let event):
            guard self.open != nil else { throw ImportError(line: self.line, "an event stands outside any session") }
            self.events.append(event)
        case .end(let id):
            guard let open = self.open, open.header.id == id else {
                throw ImportError(line: self.line, "a session ends that did not begin")
            }
            // What lacks its first events was exported so, and is no hole of this archive.
            let transcript = Transcript(
                header: open.header, token: open.token, info: open.info, events: self.events, isPartial: true)
            self.waiting.append(
                (ExportedSession(transcript: transcript, events: open.events, chain: open.chain), self.line))
            self.held += self.events.count + 1
            (self.open, self.events) = (nil, [])
            if self.held >= Self.batch { try await self.write() }
        case .other: break
        case nil: throw ImportError(line: self.line, "this is no line of an export")
        }
    }

    private mutating func write() async throws {
        let batch = self.waiting.map(\.session)
        let results = try await self.archive.take(batch)
        for (waiting, result) in zip(self.waiting, results) {
            switch result {
            case .taken: self.taken += 1
            case .present: self.present += 1
            case .refused(let reason):
                self.refused.append((waiting.session.transcript.header.id, waiting.line, reason))
            }
        }
        (self.waiting, self.held) = ([], 0)
    }
}

/// Why a file is no export.
public struct ImportError: Error, Sendable, CustomStringConvertible {
    /// The line, from 1.
    public let line: Int
    /// What is wrong, as a sentence without its full stop.
    public let message: String

    init(line: Int, _ message: String) {
        (self.line, self.message) = (line, message)
    }

    /// The line and what is wrong.
    public var description: String { "line \(self.line): \(self.message)" }
}
