"""Django's defaults, save what costs the original nothing to have better: kept database connections, no debug."""

import os
from urllib.parse import urlparse

_database = urlparse(os.environ["DATABASE_URL"])

SECRET_KEY = "the benchmark's only secret, long enough for HS256"
DEBUG = False
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "original.urls"
WSGI_APPLICATION = "original.wsgi.application"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "rest_framework", "original"]
MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"]
# No migration history: the tables are made at once.
MIGRATION_MODULES = {"auth": None, "contenttypes": None}
AUTH_USER_MODEL = "original.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": _database.hostname,
        "PORT": _database.port,
        "USER": _database.username,
        "NAME": _database.path.lstrip("/"),
        "CONN_MAX_AGE": None,
    }
}
REST_FRAMEWORK = {
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
}
