"""Checks the rendered manifests; scripts/check-k8s.sh renders them and calls this.

Each check yields one line per problem. The self-check at the end breaks the manifests in known ways
and expects a problem each time: a check that cannot fail proves nothing.
"""

import copy
import re
import sys
import tomllib
from pathlib import Path

import kubernetes_validate
import yaml

REPOSITORY = Path(__file__).resolve().parent.parent

# The oldest version that README.md promises, and the newest that the validator knows.
KUBERNETES = ("1.31", kubernetes_validate.latest_version())

# What the CronJob does about each exit code of src/exit.rs. `None`: no rule names it, or none can.
ON_EXIT = {
    "DONE": (0, None),
    "UNEXPECTED": (1, None),
    "USAGE": (2, "FailJob"),
    "JOBS_INVALID": (10, "FailJob"),
    "NOT_APPROVED": (11, "FailJob"),
    "CONFIG_INVALID": (12, "FailJob"),
    "NOT_MIGRATED": (13, "FailJob"),
    "SCHEMA_MISMATCH": (14, "FailJob"),
    "ACCESS_REFUSED": (15, "FailJob"),
    "DOES_NOT_HOLD": (16, None),
    "LOG_DIFFERS": (17, "FailJob"),
    "NOT_GONE": (18, "FailJob"),
    "NO_SUCH_REMOVAL": (19, None),
    "INCOMPLETE": (20, "Count"),
    "STORE_UNREACHABLE": (21, "Count"),
    "LEDGER_UNAVAILABLE": (22, "Count"),
    "BUSY": (23, "Ignore"),
    "SUSPENDED": (24, "FailJob"),
    "NOT_CERTIFIED": (30, "Count"),
    "JOB_MISSING": (31, "FailJob"),
    "CLOCK_DIFFERS": (40, "FailJob"),
    "TERMINATED": (143, "Ignore"),
}

COMMANDS = {
    "base": ["kigen run --trigger cron --config /etc/kigen/kigen.toml --format json"],
    "dry-run": ["kigen plan --config /etc/kigen/kigen.toml"],
    "migrate": [
        "kigen ledger migrate --config /etc/kigen/kigen.toml",
        "kigen journal migrate --config /etc/kigen/kigen.toml",
    ],
}

# The Secrets that each kustomization may see, and no others.
SECRETS = {
    "base": {"kigen-databases", "kigen-keyring"},
    "dry-run": {"kigen-databases-read"},
    "migrate": {"kigen-databases-migrate"},
}

POD_SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "fsGroup": 65532,
    "seccompProfile": {"type": "RuntimeDefault"},
}

CONTAINER_SECURITY = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}

PORTS_OUT = {("UDP", 53), ("TCP", 53), ("TCP", 5432), ("TCP", 443)}


def schema(rendered):
    for folder, document in documents(rendered):
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(document, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                place = ".".join(str(step) for step in error.path) or "top"
                yield f"{name(folder, document)}: {place}: {error.message} (Kubernetes {version})"
            except kubernetes_validate.SchemaNotFoundError as error:
                yield f"{name(folder, document)}: {error.message}"


def labels(rendered):
    for folder, document in documents(rendered):
        found = document["metadata"].get("labels", {})
        if found.get("app.kubernetes.io/name") != "kigen" or "app.kubernetes.io/component" not in found:
            yield f"{name(folder, document)}: lacks its app.kubernetes.io labels"


def pods(rendered):
    version = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    for folder, document, template in templates(rendered):
        spec = template["spec"]
        expected = {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 120,
            "automountServiceAccountToken": False,
        }
        yield from differences(f"{name(folder, document)}: pod", expected, spec)
        yield from differences(f"{name(folder, document)}: pod security", POD_SECURITY, spec.get("securityContext", {}))
        for container in containers(spec):
            place = f"{name(folder, document)}: container {container['name']}"
            if container.get("securityContext") != CONTAINER_SECURITY:
                yield f"{place}: security context is {container.get('securityContext')}, not {CONTAINER_SECURITY}"
            yield from differences(place, {"image": f"kigen:{version}"}, container)
            if container.get("resources", {}).get("limits", {}).get("memory") != "256Mi":
                yield f"{place}: memory has no limit of 256Mi"


def commands(rendered):
    for folder, expected in COMMANDS.items():
        found = [
            " ".join(container.get("command", []) + container.get("args", []))
            for _, _, template in templates({folder: rendered[folder]})
            for container in containers(template["spec"])
        ]
        if found != expected:
            yield f"k8s/{folder}: runs {found}, not {expected}"


def failure_policy(rendered):
    place = "k8s/base: CronJob kigen: podFailurePolicy"
    rules = job_of(rendered)["podFailurePolicy"]["rules"]
    expected = {}
    for code, action in ON_EXIT.values():
        if action is not None:
            expected.setdefault(action, []).append(code)

    found = {}
    for rule in rules:
        if "onExitCodes" not in rule:
            continue
        codes = rule["onExitCodes"]
        if codes["operator"] != "In" or codes.get("containerName") != "kigen":
            yield f"{place}: a rule does not read the exit code of container kigen"
        # The API server refuses them in any other order.
        if codes["values"] != sorted(set(codes["values"])):
            yield f"{place}: {codes['values']} is not in ascending order"
        found.setdefault(rule["action"], []).extend(codes["values"])
    yield from differences(place, expected, found)

    # First what a person must see, and disruption before what counts.
    order = [(rule["action"], "onPodConditions" in rule) for rule in rules]
    if order != [("FailJob", False), ("Ignore", True), ("Ignore", False), ("Count", False)]:
        yield f"{place}: the rules are in the order {order}"
    disruption = [{"type": "DisruptionTarget", "status": "True"}]
    if disruption not in [rule.get("onPodConditions") for rule in rules]:
        yield f"{place}: a disruption is not ignored"


def exit_codes(rendered):
    source = REPOSITORY / "src/exit.rs"
    if not source.exists():
        yield "src/exit.rs: is missing, so that the exit codes cannot be compared"
        return
    in_source = {(key, int(code)) for key, code in re.findall(r"const ([A-Z_]+): u8 = (\d+);", source.read_text())}
    in_table = {(key, code) for key, (code, _) in ON_EXIT.items()}
    for key in sorted({key for key, _ in in_source ^ in_table}):
        yield f"src/exit.rs: {key} is not as in k8s/check.py: say there what the CronJob does about it"


def cronjob(rendered):
    spec = only(rendered["base"], "CronJob")["spec"]
    yield from differences("k8s/base: CronJob kigen", {"timeZone": "Asia/Tokyo", "concurrencyPolicy": "Forbid"}, spec)
    for key in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        if not spec.get(key):
            yield f"k8s/base: CronJob kigen: {key} is not set"
    for key in ("activeDeadlineSeconds", "backoffLimit"):
        if not spec["jobTemplate"]["spec"].get(key):
            yield f"k8s/base: CronJob kigen: {key} is not set"
    if "suspend" in spec:
        yield "k8s/base: CronJob kigen: suspend is set, so that an apply overrules the person who suspended it"


def references(rendered):
    readme = (REPOSITORY / "k8s/README.md").read_text()
    made = {(document["kind"], document["metadata"]["name"]) for document in rendered["base"]}
    for folder, document in documents(rendered):
        if document["kind"] == "Secret":
            yield f"{name(folder, document)}: a Secret is in the tree"
    for folder, document, template in templates(rendered):
        spec = template["spec"]
        place = name(folder, document)
        needed = {("ServiceAccount", spec.get("serviceAccountName"))}
        secrets = {
            variable["valueFrom"]["secretKeyRef"]["name"]
            for container in containers(spec)
            for variable in container.get("env", [])
        }
        for volume in spec.get("volumes", []):
            if "secret" in volume:
                secrets.add(volume["secret"]["secretName"])
                if volume["secret"].get("defaultMode") != 0o400:
                    yield f"{place}: volume {volume['name']} is not of mode 0400"
            if "configMap" in volume and not volume["configMap"].get("optional"):
                needed.add(("ConfigMap", volume["configMap"]["name"]))
            if "persistentVolumeClaim" in volume:
                needed.add(("PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"]))
        for kind, wanted in sorted(needed - made):
            yield f"{place}: needs {kind} {wanted}, which k8s/base does not make"
        if secrets != SECRETS[folder]:
            yield f"{place}: sees the Secrets {sorted(secrets)}, not {sorted(SECRETS[folder])}"
        for secret in sorted(secrets):
            if f"create secret generic {secret} " not in readme:
                yield f"{place}: k8s/README.md does not say how to create Secret {secret}"


def config(rendered):
    text = configmap(rendered, "kigen-config")["kigen.toml"]
    settings = tomllib.loads(text)
    variables = {settings["ledger"]["url-env"]} | {store["url-env"] for store in settings["stores"].values()}
    for folder, document, template in templates(rendered):
        for container in containers(template["spec"]):
            given = {variable["name"] for variable in container.get("env", [])}
            if given != variables:
                yield f"{name(folder, document)}: gives {sorted(given)}, but kigen.toml reads {sorted(variables)}"

    worker = job_of(rendered)["template"]["spec"]
    mounts = {mount["mountPath"]: mount for mount in worker["containers"][0]["volumeMounts"]}
    read = [str(Path(settings["keyring"]["path"]).parent), settings["jobs"]["folder"]]
    written = [settings["certificates"]["folder"]]
    for path in read + written:
        if path not in mounts:
            yield f"k8s/base: CronJob kigen: nothing is mounted at {path}, which kigen.toml names"
        elif mounts[path].get("readOnly", False) != (path in read):
            yield f"k8s/base: CronJob kigen: {path} is mounted with the wrong readOnly"


def jobs(rendered):
    mounted = set(configmap(rendered, "kigen-jobs"))
    in_folder = {path.name for path in (REPOSITORY / "jobs").glob("*.toml")}
    for file in sorted(in_folder ^ mounted):
        yield f"jobs/{file}: is not both in the folder and in jobs/kustomization.yaml"


def network(rendered):
    policy = only(rendered["base"], "NetworkPolicy")["spec"]
    if sorted(policy["policyTypes"]) != ["Egress", "Ingress"] or policy["ingress"] != []:
        yield "k8s/base: NetworkPolicy kigen: something may call the worker"
    if not all(rule.get("ports") for rule in policy["egress"]):
        yield "k8s/base: NetworkPolicy kigen: a rule lets out every port"
    ports = {(port["protocol"], port["port"]) for rule in policy["egress"] for port in rule.get("ports", [])}
    if ports != PORTS_OUT:
        yield f"k8s/base: NetworkPolicy kigen: lets out {sorted(ports)}, not {sorted(PORTS_OUT)}"
    for folder, document, template in templates(rendered):
        wanted = policy["podSelector"]["matchLabels"].items()
        if not wanted <= template["metadata"]["labels"].items():
            yield f"{name(folder, document)}: NetworkPolicy kigen does not reach its pod"


PROMISES = (labels, pods, commands, failure_policy, exit_codes, cronjob, references, config, jobs, network)


def self_check(rendered):
    """Yields each broken manifest that passed."""

    def worker(broken):
        return job_of(broken)["template"]["spec"]["containers"][0]

    def misspell_a_field(broken):
        job_of(broken)["podFailurePolcy"] = {}

    def mistype_a_value(broken):
        job_of(broken)["backoffLimit"] = "six"

    def forget_a_required_field(broken):
        del worker(broken)["name"]

    def let_a_container_escalate(broken):
        worker(broken)["securityContext"]["allowPrivilegeEscalation"] = True

    def let_a_new_container_in(broken):
        spec = only(broken["dry-run"], "Job")["spec"]["template"]["spec"]
        spec["containers"].append({"name": "other", "image": "other"})

    def retry_what_needs_a_person(broken):
        rules = job_of(broken)["podFailurePolicy"]["rules"]
        rules[0]["onExitCodes"]["values"].remove(11)

    def count_a_disruption(broken):
        del job_of(broken)["podFailurePolicy"]["rules"][1]

    def put_a_secret_in_the_tree(broken):
        broken["base"].append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "kigen-keyring"}})

    def show_the_keyring_to_the_dry_run(broken):
        volumes = only(broken["dry-run"], "Job")["spec"]["template"]["spec"]["volumes"]
        volumes.append({"name": "keyring", "secret": {"secretName": "kigen-keyring", "defaultMode": 0o400}})

    def rename_a_variable(broken):
        worker(broken)["env"][0]["name"] = "LEDGER_URL"

    def leave_a_job_out(broken):
        configmap(broken, "kigen-jobs").popitem()

    def open_a_port(broken):
        only(broken["base"], "NetworkPolicy")["spec"]["egress"].append({"ports": [{"protocol": "TCP", "port": 80}]})

    breaks = {
        misspell_a_field: "'podFailurePolcy' was unexpected",
        mistype_a_value: "'six' is not of type",
        forget_a_required_field: "'name' is a required property",
        let_a_container_escalate: "'allowPrivilegeEscalation': True",
        let_a_new_container_in: "container other: security",
        retry_what_needs_a_person: "FailJob is [2, 10, 12",
        count_a_disruption: "a disruption is not ignored",
        put_a_secret_in_the_tree: "a Secret is in the tree",
        show_the_keyring_to_the_dry_run: "sees the Secrets",
        rename_a_variable: "kigen.toml reads",
        leave_a_job_out: "is not both in the folder",
        open_a_port: "lets out",
    }
    for break_it, expected in breaks.items():
        broken = copy.deepcopy(rendered)
        break_it(broken)
        # The schema has the first word, as the checks after it rely on it; and only on what changed,
        # as it is slow.
        changed = {
            folder: [document for document in found if document not in rendered[folder]]
            for folder, found in broken.items()
        }
        problems = list(schema(changed)) or [problem for check in PROMISES for problem in check(broken)]
        if not any(expected in problem for problem in problems):
            yield f"self-check: `{break_it.__name__}` was not refused"


def documents(rendered):
    for folder, found in rendered.items():
        for document in found:
            yield folder, document


def templates(rendered):
    for folder, document in documents(rendered):
        if document["kind"] == "Job":
            yield folder, document, document["spec"]["template"]
        if document["kind"] == "CronJob":
            yield folder, document, document["spec"]["jobTemplate"]["spec"]["template"]


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


def job_of(rendered):
    return only(rendered["base"], "CronJob")["spec"]["jobTemplate"]["spec"]


def configmap(rendered, wanted):
    return next(
        document["data"]
        for document in rendered["base"]
        if document["kind"] == "ConfigMap" and document["metadata"]["name"] == wanted
    )


def only(found, kind):
    (document,) = [document for document in found if document["kind"] == kind]
    return document


def name(folder, document):
    return f"k8s/{folder}: {document['kind']} {document['metadata']['name']}"


def differences(place, expected, found):
    for key in expected:
        if found.get(key) != expected[key]:
            yield f"{place}: {key} is {found.get(key)!r}, not {expected[key]!r}"


def main(folder):
    rendered = {
        path.stem: [document for document in yaml.safe_load_all(path.read_text()) if document]
        for path in sorted(Path(folder).glob("*.yaml"))
    }
    problems = list(schema(rendered)) or [problem for check in PROMISES for problem in check(rendered)]
    problems = problems or list(self_check(rendered))
    for problem in problems:
        print(problem, file=sys.stderr)
    if problems:
        sys.exit(1)
    print(f"k8s: {sum(len(found) for found in rendered.values())} documents valid")


main(sys.argv[1])
