package remediation

import (
	"strings"
	"testing"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
)

// deployer may manage Secrets, ConfigMaps, Pods and workloads in its namespace, and nothing else.
const deployer = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: deployer}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: deployer}
rules:
  - {apiGroups: ["", apps], resources: ["*"], verbs: ["*"]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: deployer}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: deployer}
subjects: [{kind: ServiceAccount, name: deployer, namespace: $NS}]
`

// A release can do what its ServiceAccount can do, and says who lacks what.
func TestIdentity(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, deployer)
	apply(t, ns, release("allowed", "  serviceAccountName: deployer"))
	apply(t, ns, release("refused", "  serviceAccountName: deployer\n  values: {autoscaler: true}"))
	await(t, ns, "allowed", good("1 deployed"))
	hr := &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "refused"}}
	told := world.cluster.AwaitReadiness(t, hr, "it says who lacks what", func(ready metav1.Condition) bool {
		return ready.Status == metav1.ConditionFalse && strings.Contains(ready.Message, "horizontalpodautoscalers")
	})
	for _, text := range []string{"system:serviceaccount:" + ns + ":deployer", "forbidden"} {
		if !strings.Contains(told.Message, text) {
			t.Errorf("the message lacks %q: %s", text, told.Message)
		}
	}
	// Whether it came to a revision depends on when the missing right was noticed; one that came is failed.
	if got := stateOf(hr); got.Released == "True" {
		t.Errorf("it counts as released: %+v", got)
	}
	scalers := &autoscalingv2.HorizontalPodAutoscalerList{}
	if err := world.cluster.Client.List(t.Context(), scalers, client.InNamespace(ns)); err != nil ||
		len(scalers.Items) > 0 {
		t.Errorf("there are %d autoscalers, %v", len(scalers.Items), err)
	}
}

// A ServiceAccount that does not exist is reported before anything is attempted, and waited for.
func TestAnIdentityThatComesLater(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, release("web", "  serviceAccountName: deployer"))
	hr := await(t, ns, "web", state{Ready: "False"})
	ready := env.Condition(hr, v1beta1.ReadyCondition)
	want := "ServiceAccount " + ns + "/deployer does not exist; the controller continues when it is created"
	if ready.Reason != v1beta1.AccessDeniedReason || ready.Message != want {
		t.Errorf("%s: %s", ready.Reason, ready.Message)
	}
	// The rights first: what wakes the release is the ServiceAccount.
	documents := strings.SplitN(deployer, "\n---\n", 2)
	apply(t, ns, documents[1]+"---"+documents[0])
	await(t, ns, "web", good("1 deployed"))
}

// A namespace goes with its releases, in whatever order the ServiceAccount goes.
func TestDeletingTheNamespace(t *testing.T) {
	ns := namespace(t)
	apply(t, ns, deployer)
	apply(t, ns, release("web", "  serviceAccountName: deployer"))
	await(t, ns, "web", good("1 deployed"))
	mustRun(t, "kubectl", "delete", "namespace", ns, "--timeout", env.Patience.String())
}
