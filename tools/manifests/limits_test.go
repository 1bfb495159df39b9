package manifests

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// production is a copy of the production overlay with other settings.
func production(t *testing.T, change func(name, text string) string) []runtime.Object {
	t.Helper()
	dir := t.TempDir()
	root, err := filepath.Abs(k8s)
	if err != nil {
		t.Fatal(err)
	}
	relative, err := filepath.Rel(dir, root)
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(k8s + "/overlays/production")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(k8s, "overlays/production", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		changed := change(f.Name(), strings.ReplaceAll(string(text), "../..", relative))
		if err := os.WriteFile(filepath.Join(dir, f.Name()), []byte(changed), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return build(t, dir)
}

func asItIs(_, text string) string { return text }

// settings are the data of a workload's ConfigMap.
func settings(t *testing.T, objects []runtime.Object, name string) map[string]string {
	t.Helper()
	for _, o := range objects {
		if c, is := o.(*corev1.ConfigMap); is && strings.HasPrefix(c.Name, name+"-") {
			return c.Data
		}
	}
	t.Fatalf("no settings of %s", name)
	return nil
}

// TestNetworkPolicyPorts: what the settings name can be reached.
func TestNetworkPolicyPorts(t *testing.T) {
	uncomment := func(text string) string {
		_, own, _ := strings.Cut(text, "# And the bucket's")
		_, own, _ = strings.Cut(own, "\n")
		return text + strings.ReplaceAll(own, "# ", "")
	}
	for name, test := range map[string]struct {
		change func(name, text string) string
		want   map[string]string // ports of each policy
	}{
		"as it is": {asItIs, map[string]string{"movies-api": "3306", "movies-worker": "3306 443"}},
		"TiDB": {func(_, text string) string {
			return strings.Replace(text, "MOVIES_DB_PORT=3306", "MOVIES_DB_PORT=4000", 1)
		}, map[string]string{"movies-api": "4000", "movies-worker": "4000 443"}},
		"MinIO": {func(name, text string) string {
			switch name {
			case "kustomization.yaml":
				return uncomment(text)
			case "bucket.env":
				return text + "AWS_ENDPOINT_URL_S3=http://minio:9000\n"
			}
			return text
		}, map[string]string{"movies-api": "3306", "movies-worker": "3306 9000"}},
	} {
		t.Run(name, func(t *testing.T) {
			seen := 0
			for _, o := range production(t, test.change) {
				policy, is := o.(*networkingv1.NetworkPolicy)
				if !is {
					continue
				}
				seen++
				var ports []string
				for _, rule := range policy.Spec.Egress {
					for _, p := range rule.Ports {
						if p.Port.String() != "53" {
							ports = append(ports, strconv.Itoa(p.Port.IntValue()))
						}
					}
				}
				if got := strings.Join(ports, " "); got != test.want[policy.Name] {
					t.Errorf("%s may reach %s, want %s", policy.Name, got, test.want[policy.Name])
				}
			}
			if seen != 2 {
				t.Errorf("%d policies", seen)
			}
		})
	}
}

// TestConnections: all pods that may run at once, in a roll, too, have fewer connections
// than a MySQL with its defaults takes.
func TestConnections(t *testing.T) {
	const maxConnections, exports = 151, 4 // MySQL's default, and that of MOVIES_API_EXPORTS
	objects := production(t, asItIs)
	number := func(of map[string]string, name string, otherwise int) int {
		text, given := of[name]
		if !given {
			return otherwise
		}
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	api, worker := settings(t, objects, "movies-api"), settings(t, objects, "movies-worker")
	pods, workers := 0, 0
	for _, o := range objects {
		switch o := o.(type) {
		case *autoscalingv2.HorizontalPodAutoscaler:
			pods += int(o.Spec.MaxReplicas)
		case *appsv1.Deployment:
			surge := o.Spec.Strategy.RollingUpdate.MaxSurge.IntValue()
			if o.Name == "movies-api" {
				pods += surge
			} else {
				workers += int(*o.Spec.Replicas) + surge
			}
		}
	}
	all := pods*(number(api, "MOVIES_DB_CONNECTIONS", 32)+number(api, "MOVIES_API_EXPORTS", exports)) +
		workers*number(worker, "MOVIES_DB_CONNECTIONS", 32)
	if pods < 4 || workers < 2 || all >= maxConnections {
		t.Errorf("%d API pods and %d workers have up to %d connections, want fewer than %d", pods, workers, all, maxConnections)
	}
}

// TestDisruptionBudget: a pod that is not ready must not hold up the drain of its node.
func TestDisruptionBudget(t *testing.T) {
	budgets := 0
	for _, o := range production(t, asItIs) {
		budget, is := o.(*policyv1.PodDisruptionBudget)
		if !is {
			continue
		}
		budgets++
		if budget.Spec.UnhealthyPodEvictionPolicy == nil || *budget.Spec.UnhealthyPodEvictionPolicy != policyv1.AlwaysAllow {
			t.Errorf("%s: %+v", budget.Name, budget.Spec)
		}
	}
	if budgets != 1 {
		t.Errorf("%d budgets, want that of the API", budgets)
	}
}

// TestDatabaseCA: the component mounts the CA wherever the database is asked, and the
// setting names its file.
func TestDatabaseCA(t *testing.T) {
	containers := 0
	for _, o := range build(t, with(t, "database-ca", "shards")) {
		var pod corev1.PodSpec
		switch o := o.(type) {
		case *appsv1.Deployment:
			pod = o.Spec.Template.Spec
		case *appsv1.StatefulSet:
			pod = o.Spec.Template.Spec
		default:
			continue
		}
		for _, c := range append(pod.InitContainers, pod.Containers...) {
			containers++
			named := value(c, "MOVIES_DB_TLS")
			if len(c.VolumeMounts) != 1 || named != c.VolumeMounts[0].MountPath+"/ca.pem" || pod.Volumes[0].ConfigMap.Name != "database-ca" {
				t.Errorf("%s: MOVIES_DB_TLS is %q, %+v", c.Name, named, c.VolumeMounts)
			}
		}
	}
	if containers != 3 {
		t.Errorf("%d containers, want 3", containers)
	}
}

// TestIndexOff: the component switches the index off, and its pods need less memory than those
// with an index.
func TestIndexOff(t *testing.T) {
	api := func(components ...string) corev1.Container {
		for _, o := range build(t, with(t, components...)) {
			if d, is := o.(*appsv1.Deployment); is && d.Name == "movies-api" {
				return d.Spec.Template.Spec.Containers[0]
			}
		}
		t.Fatal("no API")
		return corev1.Container{}
	}
	on, off := api(), api("index-off")
	if got := value(on, "MOVIES_API_INDEX") + " " + value(off, "MOVIES_API_INDEX"); got != " off" {
		t.Errorf("MOVIES_API_INDEX without and with the component: %q", got)
	}
	if off.Resources.Limits.Memory().Cmp(*on.Resources.Limits.Memory()) >= 0 || off.Resources.Requests.Memory().Cmp(*on.Resources.Requests.Memory()) >= 0 {
		t.Errorf("memory without an index is not less: %v, with one %v", off.Resources, on.Resources)
	}
	if off.Resources.Requests.Cpu().IsZero() || off.StartupProbe != nil {
		t.Errorf("CPU %v, startup probe %v", off.Resources.Requests.Cpu(), off.StartupProbe)
	}
}

// value returns what a container's environment sets directly.
func value(c corev1.Container, name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}
