"""The webhook's side of the store, which it only reads: presigned URLs, and sidecars of assets without a resource."""


class StoreUnavailableError(Exception):
    """The store gave no answer that tells whether the object exists."""
