import Foundation
import Glibc
import SojournLoop
import SojournTesting

/// Attackers on a thread of their own: so many of each kind, who come again when they are thrown out.
final class Attackers: Sendable {
    /// What has become of them.
    struct Counts: Sendable {
        var opened: [Attack: Int] = [:]
        /// Thrown out by the node.
        var cut: [Attack: Int] = [:]
        /// Those of each kind that are connected.
        var present: [Attack: Int] = [:]
        /// Those that the node has answered.
        var answered: [Attack: Int] = [:]
    }

    private struct State {
        var counts = Counts()
        var isOver = false
        var comeAgain = true
        var hasLeft = false
    }

    private struct Member {
        let attack: Attack
        let number: Int
        /// When it acts again, in ticks.
        var due: Int
        var socket: RawSocket?
        var hasBegun = false
        var isAnswered = false
    }

    /// Milliseconds of a tick.
    private static let tick = 10
    /// Ticks from one word of an attacker to its next; they do not all speak at once.
    private static let pace = 10
    /// How many come at once: a queue of connections that is full makes its clients wait for a second.
    private static let newcomers = 200

    private let state = Locked(State())
    private let port: Int
    private let session: String
    private let crowd: [Attack: Int]

    /// Begins at once.
    init(_ crowd: [Attack: Int], on port: Int, session: String) {
        self.crowd = crowd
        self.port = port
        self.session = session
        Thread.detachNewThread { self.run() }
    }

    var counts: Counts { self.state.withLock { $0.counts } }
    var hasLeft: Bool { self.state.withLock { $0.hasLeft } }

    /// Whoever is thrown out from now on stays out.
    func comeNoMore() { self.state.withLock { $0.comeAgain = false } }

    /// Tells all to leave; they have when ``hasLeft``.
    func leave() { self.state.withLock { $0.isOver = true } }

    private func run() {
        // They are to cost the node its time, not their neighbours on this machine theirs. Of this thread alone
        // (setpriority(2)).
        setpriority(__priority_which_t(PRIO_PROCESS.rawValue), 0, 19)
        var members: [Member] = []
        for attack in Attack.allCases {
            for number in 0..<(self.crowd[attack] ?? 0) {
                let due = number % (attack == .garbage ? attack.absence / Self.tick : Self.pace)
                members.append(Member(attack: attack, number: number, due: due))
            }
        }
        var counts = Counts()
        var tick = 0
        while true {
            let (isOver, comeAgain) = self.state.withLock { ($0.isOver, $0.comeAgain) }
            if isOver { break }
            var places = Self.newcomers
            for place in members.indices where members[place].due <= tick {
                self.act(&members[place], tick, comeAgain, &places, &counts)
            }
            if tick % Self.pace == 0 {
                counts.present = members.reduce(into: [:]) { if $1.socket != nil { $0[$1.attack, default: 0] += 1 } }
                counts.answered = members.reduce(into: [:]) { if $1.isAnswered { $0[$1.attack, default: 0] += 1 } }
            }
            self.state.withLock { [counts] in $0.counts = counts }
            dawdle(milliseconds: Self.tick)
            tick += 1
        }
        for member in members { member.socket?.close() }
        self.state.withLock { $0.hasLeft = true }
    }

    private func act(
        _ member: inout Member, _ tick: Int, _ comeAgain: Bool, _ places: inout Int, _ counts: inout Counts
    ) {
        let attack = member.attack
        guard var socket = member.socket else {
            guard comeAgain, places > 0 else { return }
            places -= 1
            counts.opened[attack, default: 0] += 1
            var socket = RawSocket(port: self.port)
            socket.send(attack.opening(self.session))
            member.socket = socket
            return
        }
        if socket.drain() > 0 { member.isAnswered = true }
        if !attack.waitsForAnswer || member.isAnswered {
            socket.send(attack.more(isFirst: !member.hasBegun, member.number))
            member.hasBegun = true
        }
        guard socket.isOpen else {
            counts.cut[attack, default: 0] += 1
            socket.close()
            member = Member(attack: attack, number: member.number, due: tick + attack.absence / Self.tick)
            return
        }
        member.socket = socket
        // The idle ones are looked at now and then.
        member.due = tick + Self.pace * (attack == .idle && member.isAnswered ? 10 + member.number % 10 : 1)
    }
}
