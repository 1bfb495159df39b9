package cluster

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// Settings of the component hpa for two cores that the control plane and the load share: the
// target is a fifth of the component's, the stabilisation a twentieth.
const smallTarget = `{"spec": {
	"metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "100m"}}}],
	"behavior": {"scaleDown": {"stabilizationWindowSeconds": 15}}}}`

// TestAutoscaling measures the component hpa. scripts/test_cluster runs it when it is asked
// for, with a metrics server beside the cluster.
func TestAutoscaling(t *testing.T) {
	follow(t, []step{{"install", install}, {"add the autoscaler", addAutoscaler}, {"scale out and in", scaleOutAndIn}})
}

func install(t *testing.T) {
	secrets(t, password)
	apply(t, "v1")
	put(t, films("Film", 500))
	eventually(t, "all to be served", func() bool { return movies(t) == 500 })
}

// addAutoscaler: an installation that gets the component keeps its pods and its requests.
func addAutoscaler(t *testing.T) {
	l := startLoad(t)
	apply(t, "v1", "hpa")
	eventually(t, "the autoscaler to see the CPU", func() bool { return autoscaler(t).cpu != "" })
	if events := kubectl(t, "get", "events", "-o", "jsonpath={.items[*].message}"); strings.Contains(events, "Scaled down") {
		t.Errorf("adding the autoscaler removed pods: %s", events)
	}
	l.end(t, "autoscaler added")
}

func scaleOutAndIn(t *testing.T) {
	kubectl(t, "patch", "hpa", "movies-api", "--type=merge", "-p", smallTarget)
	light := startClients(t, 2, 60*time.Millisecond) // until the end
	began, last := time.Now(), ""
	watch := func(what string, length time.Duration, done func(scale) bool) bool {
		for end := time.Now().Add(length); time.Now().Before(end); time.Sleep(time.Second) {
			now := autoscaler(t)
			now.ready = ready(t, "deployment", "movies-api")
			if line := fmt.Sprintf("CPU of a pod %s, %d pods wanted, %d ready", now.cpu, now.wanted, now.ready); line != last {
				t.Logf("%s %4.0f s: %s", what, time.Since(began).Seconds(), line)
				last = line
			}
			if done(now) {
				return true
			}
		}
		return false
	}
	atRest := func(s scale) bool { return s.cpu != "" && s.wanted == 3 && len(pods(t, "movies-api")) == 3 }
	if !watch("before", 2*time.Minute, atRest) {
		t.Error("not three pods before the load")
	}
	heavy := startClients(t, 32, 20*time.Millisecond)
	began = time.Now()
	if !watch("load", 4*time.Minute, func(s scale) bool { return s.ready >= 4 }) {
		t.Error("no fourth pod after four minutes under load")
	}
	t.Logf("more than three pods are ready after %s", time.Since(began).Round(time.Second))
	watch("load", 90*time.Second, func(scale) bool { return false }) // does it settle?
	heavy.end(t, "heavy load")
	began = time.Now()
	if !watch("idle", 4*time.Minute, atRest) {
		t.Error("not back to three pods four minutes after the load")
	}
	t.Logf("back to three pods after %s", time.Since(began).Round(time.Second))
	time.Sleep(15 * time.Second) // the last pods drain
	light.end(t, "scaled out and in")
}

// scale is what the autoscaler says.
type scale struct {
	cpu           string // the average of the pods
	wanted, ready int
}

func autoscaler(t *testing.T) (s scale) {
	t.Helper()
	out := kubectl(t, "get", "hpa", "movies-api", "-o", "jsonpath={.status.desiredReplicas} {.status.currentMetrics[*].resource.current.averageValue}")
	_, _ = fmt.Sscan(out, &s.wanted, &s.cpu)
	return s
}
