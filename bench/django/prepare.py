"""Makes the tables and the benchmark's users: a new user costs the original a password hash, which is measured apart."""

import os
import sys
from hashlib import md5

import django
from django.core.management import call_command

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "original.settings")
django.setup()
call_command("migrate", run_syncdb=True, verbosity=0)

from original.models import User  # noqa: E402  (models load only after setup)



def openid_of(number: int) -> str:
    """As fake-wechat.ts makes it."""
    return "o" + md5(str(number).encode()).hexdigest()[:27]


users = int(sys.argv[1])
User.objects.bulk_create(
    [User(username=openid_of(number), password="!") for number in range(users)], batch_size=1000
)
