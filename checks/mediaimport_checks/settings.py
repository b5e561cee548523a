"""Settings of the checks, read once from their environment."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mediaimport_runtime.store_settings import StoreSettings

if TYPE_CHECKING:
    from mediaimport_runtime.environment import Environment


@dataclass(frozen=True)
class Settings:
    """Installation to check. `webhook_url`: None where it is disabled; `import_timeout_s`: of the test import."""

    namespace: str
    operator_namespace: str
    operator_deployment: str
    webhook_url: str | None
    anonymous: bool
    tokens_file: Path
    default_user_id: str
    store: StoreSettings
    film_directory: Path
    import_timeout_s: int

    @classmethod
    def read(cls, env: Environment) -> Settings:
        """Return the settings; BadSettingError names the variable that is missing or wrong."""
        namespace = env.text("NAMESPACE")
        return cls(
            namespace=namespace,
            operator_namespace=env.text("OPERATOR_NAMESPACE", namespace),
            operator_deployment=env.text("OPERATOR_DEPLOYMENT"),
            webhook_url=env.optional("WEBHOOK_URL"),
            anonymous=env.text("AUTH_MODE", "tokens") == "none",
            tokens_file=Path(env.text("AUTH_TOKENS_FILE", "/etc/mediaimport/auth/tokens.json")),
            default_user_id=env.text("DEFAULT_USER_ID", "default"),
            store=StoreSettings.read(env),
            film_directory=Path(env.text("FILM_DIRECTORY", "/film")),
            import_timeout_s=env.integer("IMPORT_TIMEOUT_SECONDS", 60, least=1),
        )
