"""The login: code2Session, the openid as username, a token."""

import os

import requests
from django.http import HttpResponse
from django.utils.crypto import get_random_string
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt.tokens import AccessToken

from .models import User


class LoginView(APIView):
    authentication_classes = ()
    permission_classes = ()

    def post(self, request):
        answer = requests.get(
            os.environ["WECHAT_API_BASE"] + "/sns/jscode2session",
            params={
                "appid": "wxbench",
                "secret": "bench",
                "js_code": request.data["code"],
                "grant_type": "authorization_code",
            },
        ).json()
        openid = answer["openid"]
        userinfo = request.data.get("userinfo") or {}
        user = User.objects.filter(username=openid).first()
        if user is None:
            user = User.objects.create_user(username=openid, password=get_random_string(10))
        user.nickname = userinfo.get("nickName", user.nickname)
        user.save()
        data = {"token": str(AccessToken.for_user(user)), "user_id": user.id, "nickname": user.nickname}
        return Response({"code": "00000", "msg": "授权成功", "data": data})


def ready(request):
    return HttpResponse("ready")
