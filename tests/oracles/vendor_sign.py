"""Judges signed requests by the signing code of the vendors' own SDKs.

    vendor_sign.py SECRET FILE...

Each file is one raw HTTP request, named after its cloud (`aliyun-….http`). Its signature is made again by that cloud's SDK from
the headers it names as signed; exit 0 when all are identical, and there is one at least.
"""

import pathlib
import re
import sys
from urllib.parse import parse_qsl, unquote


class Request:
    def __init__(self, raw):
        head, self.body = raw.split(b"\r\n\r\n", 1)
        first, *lines = head.decode().split("\r\n")
        self.method, target, _ = first.split(" ")
        self.path, _, query = target.partition("?")
        self.query = parse_qsl(query, keep_blank_values=True)
        pairs = (line.split(":", 1) for line in lines)
        self.headers = {name.strip().lower(): value.strip() for name, value in pairs}

    @property
    def authorization(self):
        return self.headers["authorization"]

    def field(self, name):
        return re.search(name + r"=([^,\s]+)", self.authorization).group(1)

    def signed(self):
        return {name: self.headers[name] for name in self.field("SignedHeaders").split(";")}


def aliyun(request, secret):
    from alibabacloud_tea_openapi.utils import Utils
    from Tea.request import TeaRequest

    algorithm = "ACS3-HMAC-SHA256"
    payload = Utils.hex_encode(Utils.hash(request.body, algorithm))
    tea = TeaRequest()
    tea.method, tea.pathname, tea.query = request.method, request.path, dict(request.query)
    tea.headers = {**request.signed(), "x-acs-content-sha256": payload}
    return Utils.get_authorization(tea, algorithm, payload, request.field("Credential"), secret)


def tencent(request, secret):
    from tencentcloud.common import credential
    from tencentcloud.common.abstract_client import AbstractClient
    from tencentcloud.common.http.request import RequestInternal

    key, date, service, _ = request.field("Credential").split("/")
    inner = RequestInternal(request.headers["host"], request.method, request.path)
    inner.header = {
        "Content-Type": request.headers["content-type"],
        "Host": request.headers["host"],
        "X-TC-Timestamp": request.headers["x-tc-timestamp"],
    }
    inner.data = request.body
    client = AbstractClient(credential.Credential(key, secret), "region")
    signature = client._get_tc3_signature({}, inner, date, service, secret)
    return request.authorization.rpartition("=")[0] + "=" + signature


def huawei(request, secret):
    from huaweicloudsdkcore.sdk_request import SdkRequest
    from huaweicloudsdkcore.signer.signer import Signer

    class Key:
        ak, sk = request.field("Access"), secret

    inner = SdkRequest(
        method=request.method,
        schema="http",
        host=request.headers["host"],
        resource_path=unquote(request.path),
        query_params=request.query,
        header_params=request.signed(),
        body=request.body,
    )
    return Signer(Key).sign(inner).header_params["Authorization"]


SIGNERS = {"aliyun": aliyun, "tencent": tencent, "huawei": huawei}


def main(secret, files):
    judged, wrong = {}, 0
    for file in map(pathlib.Path, files):
        request = Request(file.read_bytes())
        cloud = file.name.partition("-")[0]
        expect = SIGNERS[cloud](request, secret)
        judged[cloud] = judged.get(cloud, 0) + 1
        if expect != request.authorization:
            wrong += 1
            print(f"{file.name}: {request.method} {request.path}\n  vendor {expect}\n  ours   {request.authorization}")
    for cloud in sorted(judged):
        print(f"{cloud}: {judged[cloud]} requests judged")
    print(f"{wrong} signatures differ")
    return 1 if wrong or not judged else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
