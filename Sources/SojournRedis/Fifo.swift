/// A first-in-first-out queue in one array, whose front moves.
struct Fifo<Element> {
    private var storage: [Element] = []
    private var front = 0

    var isEmpty: Bool { self.front == self.storage.count }
    var count: Int { self.storage.count - self.front }
    var first: Element? { self.isEmpty ? nil : self.storage[self.front] }
    /// All elements, the oldest first.
    var elements: ArraySlice<Element> { self.storage[self.front...] }

    mutating func append(_ element: Element) { self.storage.append(element) }

    mutating func popFirst() -> Element? {
        guard !self.isEmpty else { return nil }
        defer {
            self.front += 1
            // Dropped when it is at least half of the array, so that each element is moved once on average. What
            // was popped is held until then.
            if self.front == self.storage.count {
                self.storage.removeAll(keepingCapacity: true)
                self.front = 0
            } else if self.front >= 64, self.front * 2 >= self.storage.count {
                self.storage.removeSubrange(..<self.front)
                self.front = 0
            }
        }
        return self.storage[self.front]
    }

    mutating func removeAll() {
        self.storage.removeAll()
        self.front = 0
    }

    mutating func removeAll(where condition: (Element) -> Bool) {
        self.storage.removeSubrange(..<self.front)
        self.front = 0
        self.storage.removeAll(where: condition)
    }
}
