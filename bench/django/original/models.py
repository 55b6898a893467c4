"""Django's user, extended by the profile of the mini program."""

from datetime import date

from django.contrib.auth.models import AbstractUser
from django.db import models


class User(AbstractUser):
    nickname = models.CharField(max_length=50, blank=True, default="")
    avatar = models.CharField(max_length=500, default="image/default.png")
    phone = models.CharField(max_length=20, blank=True, default="")
    birthday = models.DateField(default=date.today)
    sex = models.CharField(max_length=6, choices=(("male", "男"), ("female", "女")), default="male")
    address = models.CharField(max_length=550, blank=True, default="")
    signature = models.CharField(max_length=550, blank=True, default="")
