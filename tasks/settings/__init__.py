"""Profiles and secrets: everything a night is told, read once, frozen, and safe to print."""

from tasks.settings.load import ProfileError, load_profile, profile_names, redacted
from tasks.settings.profile import Account, Limits, MediaRules, Money, Policy, Privacy, Profile, Rule, Source, Storage
from tasks.settings.secrets import MissingSecretError, Secrets

__all__ = [
    "Account",
    "Limits",
    "MediaRules",
    "MissingSecretError",
    "Money",
    "Policy",
    "Privacy",
    "Profile",
    "ProfileError",
    "Rule",
    "Secrets",
    "Source",
    "Storage",
    "load_profile",
    "profile_names",
    "redacted",
]
