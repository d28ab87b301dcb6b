import SojournArchive
package import SojournCore
import SojournRedis

/// What became of the sessions of an archivist that is lost.
package struct Adoption {
    /// Sessions that it had claimed or followed; others have them now.
    package var taken = 0
    /// Of those, the ones whose beginning is missing: how many events.
    package var truncated: [(id: String, missing: Int)] = []
    /// Sessions whose transcripts only it had, as far as their tombstones tell.
    package var lost: [String] = []
    /// Who follows the live ones now.
    package var heirs: [String] = []
}

extension StoreShard {
    /// Gives what an archivist had in hand to those that live, and notes what is lost with it. May be repeated.
    ///
    /// - Throws: `VALIDATION_ERROR` when it lives or is unknown, `ARCHIVE_UNAVAILABLE` when there is no other one.
    package func adopt(from archivist: String) async throws(StoreError) -> Adoption {
        let live = try await self.archives.live().sorted()
        guard !live.contains(archivist) else {
            throw .validation("The archivist \(archivist) lives: stop its node first, if it is to be given up")
        }
        let known = try await self.knownArchives().sorted()
        guard known.contains(archivist) else {
            let others = known.isEmpty ? "there is none" : "known are \(known.joined(separator: ", "))"
            throw .validation("No archivist \(archivist) is known: \(others)")
        }
        guard !live.isEmpty else {
            throw StoreError(.archiveUnavailable, "No archivist lives that could take over: start one first")
        }
        var adoption = Adoption(heirs: live)
        // Whoever looks at the partition anyway.
        let shares = live.map {
            (heir: $0, share: Set(Rendezvous.partitions(of: $0, among: live, count: self.keyspace.partitions)))
        }
        for partition in 0..<self.keyspace.partitions {
            let heir = shares.first { $0.share.contains(partition) }?.heir ?? live[0]
            for set in [self.keyspace.due(partition), self.keyspace.arc(partition)] {
                try await self.disown(try await self.members(set), archivist, heir: heir, &adoption)
            }
        }
        for master in self.redis.masters { try await self.disownTombstones(of: archivist, at: master, &adoption) }
        do {
            for key in [self.keyspace.archivists, self.keyspace.archiving] {
                _ = try await self.redis.send(["ZREM", .string(key), .string(archivist)], kind: .write)
            }
            // The last step: whoever was interrupted before can begin again.
            _ = try await self.redis.send(
                ["HDEL", .string(self.keyspace.archives), .string(archivist)], kind: .write)
        } catch {
            throw self.translate(error, in: "adopt")
        }
        return adoption
    }

    private func disown(
        _ ids: [SessionID], _ archivist: String, heir: String, _ adoption: inout Adoption
    ) async throws(StoreError) {
        var found: [(SessionID, Result<[RESPValue], StoreError>)] = []
        await self.concurrently(ids) { id in
            let keys = self.keyspace.keys(of: id)
            let random = Hex.encode((0..<8).map { _ in UInt8.random(in: .min ... .max) })
            do throws(StoreError) {
                let answer = try await self.call(
                    self.scripts.disown,
                    keys: [keys.session, keys.arc, keys.tombstone, keys.log, keys.prefix + "wb"],
                    args: [.string(id.text), .string(archivist), .string(heir), .string(random)])
                found.append((id, .success(answer)))
            } catch {
                found.append((id, .failure(error)))
            }
        }
        for (id, result) in found {
            let answer = try result.get()
            switch answer.first?.int {
            case 1:
                adoption.taken += 1
                let missing = answer.dropFirst().first?.int ?? 0
                if missing > 0 { adoption.truncated.append((id.text, missing)) }
            case 2: adoption.lost.append(id.text)
            default: break
            }
        }
    }

    private func disownTombstones(
        of archivist: String, at master: RedisConnection, _ adoption: inout Adoption
    ) async throws(StoreError) {
        var cursor = "0"
        repeat {
            let pattern = "\(self.keyspace.namespace):*}:t:*"
            let answer: RESPValue
            do {
                answer = try await master.send(
                    ["SCAN", .string(cursor), "MATCH", .string(pattern), "COUNT", 1000], kind: .read)
            } catch {
                throw self.translate(error, in: "adopt")
            }
            guard let parts = answer.array, parts.count == 2, let next = parts[0].string else {
                throw self.malformed("scan")
            }
            cursor = next
            let ids = (parts[1].array ?? []).compactMap { key -> SessionID? in
                guard let name = key.string, let word = name.split(separator: ":").last,
                    let id = self.keyspace.sessionID(String(word))
                else { return nil }
                return self.keyspace.keys(of: id).tombstone == name ? id : nil
            }
            try await self.disown(ids, archivist, heir: "", &adoption)
        } while cursor != "0"
    }
}
