package daemon

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"wsvsio/scenarios"
)

// Program is a program that can be installed.
type Program struct {
	Name    string // of the executable: "nginx"
	Package string // of Debian and Ubuntu that has it

	// oldest is the first version that can do what is asked of it, and why
	// says what that is.
	oldest version
	why    string

	// versionFlag has the program print its version, on either output.
	versionFlag string

	// frame is the configuration around that of a kind: what the harness needs
	// and the reader of a configuration does not.
	frame string

	// args are its arguments, of which those that hold placeholders are filled
	// in as the configuration is. They keep the program in the foreground, and
	// in one process: a child of its own would outlive it if it is killed.
	args []string

	// ends are the exit statuses of a program that was asked to end.
	ends []int

	// humble says that the program gives up the rights of root, with which the
	// system forgets to kill it when this process dies: it is started as a
	// user that has none.
	humble bool
}

// The programs.
var (
	nginx = Program{
		Name: "nginx", Package: "nginx-light",
		oldest: version{1, 19, 5}, why: "logs to standard error from its first line on", // its CHANGES: the option -e
		versionFlag: "-v",
		args:        []string{"-e", "stderr", "-p", "{{.Folder}}", "-c", "{{.File}}", "-g", "daemon off; master_process off; pid {{.Folder}}/pid;"},
		frame: `events { worker_connections 512; }
http {
	access_log off;
	client_body_temp_path {{.Folder}}/body;
	proxy_temp_path {{.Folder}}/proxy;
	fastcgi_temp_path {{.Folder}}/fastcgi;
	uwsgi_temp_path {{.Folder}}/uwsgi;
	scgi_temp_path {{.Folder}}/scgi;
{{.Body}}}
`,
		ends: []int{0},
	}
	haproxy = Program{
		Name: "haproxy", Package: "haproxy",
		oldest: version{2, 0, 0}, why: "has the functions that are used here",
		versionFlag: "-v",
		args:        []string{"-db", "-f", "{{.File}}"},
		frame:       "global\n\tmaxconn 512\n\n{{.Body}}",
		ends:        []int{0, 143}, // 143: a single process that took SIGTERM
	}
	squid = Program{
		Name: "squid", Package: "squid",
		oldest: version{5, 0, 0}, why: "knows http_upgrade_request_protocols", // its release notes, 5.1
		versionFlag: "-v",
		// By its service name it tells its shared memory from that of another squid.
		args: []string{"-N", "-d", "1", "-n", "wsvsio{{.Port}}", "-f", "{{.File}}"},
		frame: `{{.Body}}
cache deny all
access_log none
cache_log /dev/null
pid_filename {{.Folder}}/pid
coredump_dir {{.Folder}}
netdb_filename none
pinger_enable off
visible_hostname localhost
shutdown_lifetime 0 seconds
`,
		ends:   []int{0},
		humble: true,
	}
	redis = Program{
		Name: "redis-server", Package: "redis-server",
		oldest: version{5, 0, 0}, why: "is what the clients are written for",
		versionFlag: "-v",
		args:        []string{"{{.File}}"},
		frame: `{{.Body}}
dir {{.Folder}}
daemonize no
save ""
`,
		ends: []int{0},
	}
)

// Programs are all that this package can start, in the order of the tables.
func Programs() []Program { return []Program{nginx, haproxy, squid, redis} }

// version is the first three numbers of one.
type version [3]int

// String returns "1.22.1".
func (v version) String() string { return fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2]) }

// less reports whether a version comes before another.
func (v version) less(other version) bool {
	for i, n := range v {
		if n != other[i] {
			return n < other[i]
		}
	}
	return false
}

// versions matches what a program calls its version: 7.0.15, 1.22.1, 5.7.
var versions = regexp.MustCompile(`(?:[Vv]ersion |nginx/|v=)(\d+)\.(\d+)(?:\.(\d+))?`)

// parseVersion finds the version in what a program prints.
func parseVersion(text string) (v version, err error) {
	m := versions.FindStringSubmatch(text)
	if m == nil {
		return v, fmt.Errorf("no version in %q", strings.TrimSpace(text))
	}
	for i, digits := range m[1:] {
		if digits == "" {
			continue
		}
		if v[i], err = strconv.Atoi(digits); err != nil {
			return v, fmt.Errorf("version in %q: %w", strings.TrimSpace(text), err)
		}
	}
	return v, nil
}

// versionLimit is how long a program may take to tell its version; squid needs
// 10 ms.
const versionLimit = 10 * time.Second

// Find returns where a program is and its version. The error of one that is
// missing or too old wraps scenarios.ErrUnsupported and says how to install it.
func (p Program) Find(ctx context.Context) (path, found string, err error) {
	// Who is not root often has no folder of servers in PATH.
	for _, name := range []string{p.Name, filepath.Join("/usr/sbin", p.Name), filepath.Join("/usr/local/sbin", p.Name)} {
		if path, err = exec.LookPath(name); err == nil {
			break
		}
	}
	if err != nil {
		return "", "", scenarios.Unsupported("%s is not installed: %s", p.Name, p.mend())
	}
	limited, cancel := context.WithTimeout(ctx, versionLimit)
	defer cancel()
	text, err := exec.CommandContext(limited, path, p.versionFlag).CombinedOutput()
	if err != nil {
		return "", "", fmt.Errorf("%s %s: %w; it printed:\n\t%s\n%s", p.Name, p.versionFlag, errors.Join(err, ctx.Err()), indent(string(text)), p.mend())
	}
	v, err := parseVersion(string(text))
	if err != nil {
		return "", "", fmt.Errorf("%s %s: %w", p.Name, p.versionFlag, err)
	}
	if v.less(p.oldest) {
		return "", "", scenarios.Unsupported("%s %s is too old, %s is the first that %s: %s", p.Name, v, p.oldest, p.why, p.mend())
	}
	return path, v.String(), nil
}

// mend says how to get the program.
func (p Program) mend() string { return "install it with: apt-get install " + p.Package }

// indent makes lines stand in an error.
func indent(s string) string {
	return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n\t")
}
