"""Notification of endpoints: events, when each is due, and their delivery."""
