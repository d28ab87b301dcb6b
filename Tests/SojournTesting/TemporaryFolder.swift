import Foundation

/// An empty folder of its own, deleted with its owner. Its path is short enough for Unix sockets.
public final class TemporaryFolder: Sendable {
    /// The folder's absolute path.
    public let path: String

    /// Makes the folder.
    public init() {
        var template = Array("/tmp/sjt-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { fatalError("no temporary folder: errno \(errno)") }
        self.path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit { self.remove() }

    /// Deletes it before its owner goes, which at the end of a program may be never. Idempotent.
    public func remove() { try? FileManager.default.removeItem(atPath: self.path) }

    /// The path of a file in it.
    public func file(_ name: String) -> String { "\(self.path)/\(name)" }
}
