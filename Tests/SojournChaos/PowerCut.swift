import Foundation
import Glibc
import SojournLoop
import SojournTesting

/// Takes the power from a Redis that syncs its disk every second: what it has not synced for sure is gone.
///
/// A killed Redis loses nothing that way, because the kernel has what it wrote; so its file is cut to what it was long
/// enough ago.
final class PowerCut: Sendable {
    private let server: RedisServer
    private let sizes = Locked<[(at: ContinuousClock.Instant, file: String, size: Int)]>([])
    private let isOver = Locked(false)

    init(_ server: RedisServer) {
        self.server = server
        Thread.detachNewThread { [weak self] in
            while let self, !self.isOver.withLock({ $0 }) {
                self.note()
                dawdle(milliseconds: 100)
            }
        }
    }

    func stop() { self.isOver.withLock { $0 = true } }

    /// The file that grows.
    private var file: String? {
        let folder = self.server.folder.file("appendonlydir")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.filter { $0.hasSuffix(".incr.aof") }.max {
            $0.count < $1.count || ($0.count == $1.count && $0 < $1)
        }
        .map { "\(folder)/\($0)" }
    }

    private func note() {
        guard let file = self.file,
            let size = try? FileManager.default.attributesOfItem(atPath: file)[.size] as? Int
        else { return }
        self.sizes.withLock {
            $0.append((.now, file, size))
            if $0.count > 100 { $0.removeFirst(50) }
        }
    }

    /// Kills the server and takes from its file what is less than a second old.
    ///
    /// - Returns: how many bytes that were.
    func strike() throws -> Int {
        self.server.kill9()
        guard let file = self.file else { return 0 }
        let limit = ContinuousClock.now - .milliseconds(1100)
        let size = self.sizes.withLock { $0.last { $0.file == file && $0.at < limit }?.size }
        let now = (try FileManager.default.attributesOfItem(atPath: file)[.size] as? Int) ?? 0
        guard let size, size < now, truncate(file, size) == 0 else { return 0 }
        return now - size
    }
}
