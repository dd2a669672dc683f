"""Makes what the AWS adapter's tests need in a fresh moto, then switches its checks on. Prints variables for the shell."""

import json
import sys
import urllib.request

import boto3

ENDPOINT, REGION = sys.argv[1], "eu-central-1"


def client(service):
    keys = {"aws_access_key_id": "first", "aws_secret_access_key": "first"}
    return boto3.client(service, endpoint_url=ENDPOINT, region_name=REGION, **keys)


def user(name, actions):
    """A user who may do these; prints the key."""
    iam = client("iam")
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    print(f"export LEPTON_MOTO_{name.upper()}_KEY={key['AccessKeyId']}")
    print(f"export LEPTON_MOTO_{name.upper()}_SECRET={key['SecretAccessKey']}")


user("owner", "*")
user("reader", ["ec2:Describe*", "sts:*"])
network = client("ec2").describe_vpcs()["Vpcs"][0]["VpcId"]
client("elbv2").create_target_group(Name="pool", Protocol="HTTP", Port=8080, VpcId=network)

reset = urllib.request.Request(
    f"{ENDPOINT}/moto-api/reset-auth", data=b"0", method="POST", headers={"Content-Type": "text/plain"}
)
urllib.request.urlopen(reset).read()
