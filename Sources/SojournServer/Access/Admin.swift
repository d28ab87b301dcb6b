import SojournCore

extension RouteContext {
    /// Lets only administrators pass. Whoever holds an API key is one, and so is everybody where none is set: whether
    /// the request carries a key was asked before it came to its route.
    func requireAdmin() throws(StoreError) {}
}
