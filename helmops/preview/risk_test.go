package preview

import (
	"slices"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

const (
	rbacAPI     = "apiVersion: rbac.authorization.k8s.io/v1\n"
	claim       = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\nspec: {storageClassName: fast, resources: {requests: {storage: 1Gi}}}\n"
	statefulSet = `
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 3
  serviceName: db
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Delete}
  volumeClaimTemplates: [{metadata: {name: data}}]
  template: {spec: {containers: [{name: db, image: "db:1"}]}}
`
	role = rbacAPI + `
kind: ClusterRole
metadata: {name: reader}
rules:
- {apiGroups: [''], resources: [pods], verbs: [get, list]}
- {nonResourceURLs: [/metrics], verbs: [get]}
`
	binding = rbacAPI + `
kind: ClusterRoleBinding
metadata: {name: reader}
roleRef: {kind: ClusterRole, name: reader}
subjects: [{kind: ServiceAccount, namespace: apps, name: web}]
`
	pod = `
apiVersion: v1
kind: Pod
metadata: {name: one}
spec: {containers: [{name: one, image: "one:1"}]}
`
	definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: gadgets.example.com}
spec:
  group: example.com
  versions:
  - name: v1
    served: true
    schema: {openAPIV3Schema: {properties: {spec: {properties: {size: {type: integer}, color: {type: string}}}}}}
  - {name: v1beta1, served: true}
`
	service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {clusterIP: 10.0.0.1, ports: [{name: http, port: 80}]}\n"
	job     = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: once}\nspec: {template: {spec: {containers: [{name: a, image: 'a:1'}]}}}\n"
	hooked  = "apiVersion: admissionregistration.k8s.io/v1\nkind: ValidatingWebhookConfiguration\nmetadata: {name: w}\nwebhooks: [{name: a}]\n"
	sealed  = "apiVersion: v1\nkind: ConfigMap\nimmutable: true\nmetadata: {name: c}\ndata: {a: b}\n"
)

func replaced(in string, pairs ...string) string {
	out := strings.NewReplacer(pairs...).Replace(in)
	if out == in {
		panic("nothing was replaced")
	}
	return out
}

// Each change has exactly these risks.
func TestRisks(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, from, to string
		risks          []string
	}{
		{"a Deployment is created", "", web, nil},
		{"only its replicas change", web, replaced(web, "replicas: 2", "replicas: 3"), nil},
		{"its pods change", web, replaced(web, "web:1", "web:2"), []string{"Restart: restarts its pods"}},
		{"its pods change, but there are none", replaced(web, "replicas: 2", "replicas: 0"),
			replaced(web, "replicas: 2", "replicas: 0", "web:1", "web:2"), nil},
		{"its selector changes", web, replaced(web, "{app: web}", "{app: other}"),
			[]string{"Recreate: .spec.selector cannot be changed in place"}},
		{"it is deleted", web, "", []string{"Restart: is deleted, and its pods with it"}},
		{"its container becomes privileged", web, replaced(web, "image: web:1", "image: web:1\n        securityContext: {privileged: true}"),
			[]string{"Escalation: runs pods with container web privileged", "Restart: restarts its pods"}},
		{"it gets the network and a directory of the node", web,
			replaced(web, "    spec:\n", "    spec:\n      hostNetwork: true\n      volumes: [{name: a, hostPath: {path: /etc}}]\n"),
			[]string{"Escalation: runs pods with hostNetwork, hostPath /etc", "Restart: restarts its pods"}},
		{"it gets a capability", web,
			replaced(web, "image: web:1", "image: web:1\n        securityContext: {capabilities: {add: [SYS_ADMIN]}}"),
			[]string{"Escalation: runs pods with capability SYS_ADMIN in container web", "Restart: restarts its pods"}},

		{"a claim is deleted", claim, "", []string{"DataLoss: is deleted, and its volume with it unless the reclaim policy retains it"}},
		{"a claim grows", claim, replaced(claim, "1Gi", "2Gi"), nil},
		{"a claim gets another class", claim, replaced(claim, "fast", "slow"), []string{"DataLoss: .spec.storageClassName cannot be changed in place"}},
		{"a namespace is deleted", "apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n", "",
			[]string{"DataLoss: is deleted, with everything in it"}},
		{"a StatefulSet shrinks", statefulSet, replaced(statefulSet, "replicas: 3", "replicas: 1"),
			[]string{"DataLoss: is scaled down from 3 to 1, and the PersistentVolumeClaims of the pods that go are deleted"}},
		{"a StatefulSet that retains claims shrinks", replaced(statefulSet, "whenScaled: Delete", "whenScaled: Retain"),
			replaced(statefulSet, "whenScaled: Delete", "whenScaled: Retain", "replicas: 3", "replicas: 1"), nil},
		{"a StatefulSet is deleted", statefulSet, "", []string{
			"DataLoss: is deleted, and its PersistentVolumeClaims with it (persistentVolumeClaimRetentionPolicy)",
			"Restart: is deleted, and its pods with it",
		}},
		{"a StatefulSet gets other claims", statefulSet, replaced(statefulSet, "{name: data}", "{name: other}"),
			[]string{"Recreate: .spec.volumeClaimTemplates cannot be changed in place"}},

		{"a definition is deleted", definition, "", []string{"DataLoss: is deleted, and all its custom resources with it"}},
		{"a definition loses a version", definition, replaced(definition, "  - {name: v1beta1, served: true}\n", ""),
			[]string{"DataLoss: version v1beta1 is no longer served"}},
		{"a version of a definition is not served", definition, replaced(definition, "{name: v1beta1, served: true}", "{name: v1beta1, served: false}"),
			[]string{"DataLoss: version v1beta1 is no longer served"}},
		{"a definition loses a field", definition, replaced(definition, ", color: {type: string}", ""),
			[]string{"DataLoss: version v1 loses .spec.color, and with it what is stored there"}},
		{"a definition gets a field", replaced(definition, ", color: {type: string}", ""), definition, nil},
		{"a definition gets another scope", replaced(definition, "group: example.com", "group: example.com\n  scope: Cluster"),
			replaced(definition, "group: example.com", "group: example.com\n  scope: Namespaced"),
			[]string{"DataLoss: .spec.scope cannot be changed in place"}},

		{"a role is created", "", role, []string{"Escalation: allows get /metrics, get pods, list pods"}},
		{"a role loses a verb", role, replaced(role, "[get, list]", "[get]"), nil},
		{"a role gets a verb", role, replaced(role, "[get, list]", "[get, list, delete]"), []string{"Escalation: allows delete pods"}},
		{"a role names what it allowed in general", replaced(role, "[pods]", "['*']"), role, nil},
		{"a role gets a wildcard", role, replaced(role, "[pods]", "['*']"), []string{"Escalation: allows get *, list *"}},
		{"a role loses the names that bounded it", replaced(role, "resources: [pods]", "resources: [pods], resourceNames: [a]"), role,
			[]string{"Escalation: allows get pods, list pods"}},
		{"a role gets more URLs", role, replaced(role, "[/metrics]", "['/*']"), []string{"Escalation: allows get /*"}},
		{"a role that aggregates is created", "", replaced(role, "kind: ClusterRole", "kind: ClusterRole\naggregationRule: {clusterRoleSelectors: []}"),
			[]string{"Escalation: takes the rules of other ClusterRoles (aggregationRule)"}},
		{"a role is deleted", role, "", nil},
		{"a binding is created", "", binding, []string{"Escalation: gives ClusterRole reader to ServiceAccount apps/web in all namespaces"}},
		{"a binding gets a subject", binding, replaced(binding, "[{kind", "[{kind: User, name: eve}, {kind"),
			[]string{"Escalation: gives ClusterRole reader to User eve in all namespaces"}},
		{"a binding gets another role", binding, replaced(binding, "kind: ClusterRole, name: reader", "kind: ClusterRole, name: admin"), []string{
			"Escalation: gives ClusterRole admin to ServiceAccount apps/web in all namespaces",
			"Recreate: .roleRef cannot be changed in place",
		}},
		{"a webhook is created", "", hooked, []string{"Escalation: sees requests for objects of others"}},

		{"a pod gets another image", pod, replaced(pod, "one:1", "one:2"), nil},
		{"a pod gets a command", pod, replaced(pod, `image: "one:1"`, `image: "one:1", command: [a]`),
			[]string{"Recreate: is a pod, of which only images can be changed in place"}},
		{"a Service gets another address", service, replaced(service, "10.0.0.1", "10.0.0.2"),
			[]string{"Recreate: .spec.clusterIP cannot be changed in place"}},
		{"a Service leaves its address to the API server", service, replaced(service, "clusterIP: 10.0.0.1, ", ""), nil},
		{"a Job changes", job, replaced(job, "a:1", "a:2"), []string{"Recreate: .spec.template cannot be changed in place"}},
		{"an immutable ConfigMap changes", sealed, replaced(sealed, "a: b", "a: c"), []string{"Recreate: is immutable"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, o := range of(t, tt.from, tt.to).Objects {
				for _, r := range o.Risks {
					got = append(got, r.Class.String()+": "+r.Why)
				}
			}
			if !slices.Equal(got, tt.risks) {
				t.Errorf("the risks are %q, want %q", got, tt.risks)
			}
		})
	}
}

func TestClasses(t *testing.T) {
	t.Parallel()
	for i, name := range v1beta1.Risks() {
		if Class(i).String() != name {
			t.Errorf("class %d is %s, want %s", i, Class(i), name)
		}
	}
	if Class(len(v1beta1.Risks())).String() != "Class(5)" || Escalation.String() != v1beta1.RiskEscalation {
		t.Error("there are other classes than in the API")
	}
}

// A role with a huge product of lists is compared within bounds, and counts as one that allows all.
func TestRightsAreBounded(t *testing.T) {
	t.Parallel()
	many := strings.Repeat("a,", 200)
	huge := rbacAPI + "kind: ClusterRole\nmetadata: {name: huge}\nrules:\n- {apiGroups: [" + many + "b], resources: [" + many +
		"b], verbs: [" + many + "b], resourceNames: [" + many + "b]}\n"
	p := of(t, "", huge)
	if p.Risk != Escalation {
		t.Errorf("the risk is %s", p.Risk)
	}
}
