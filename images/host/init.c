/*
 * PID 1 of a host.
 *
 *   socketlab-init [CAPABILITY...]            those that programs may have, of those that the container has
 *
 * It reaps orphans, and it starts programs as the user `student` for the trusted agent outside, which reaches
 * it through a unix socket in a folder that only root can enter. A program started here has the container's
 * namespaces, cgroup, seccomp filter and limits by birth; nothing has to be entered afterwards. Written in C
 * because there is one in every host: it starts in a millisecond and holds some hundred kilobytes.
 *
 * One connection of type SOCK_SEQPACKET serves one request. Strings are separated by NUL:
 *
 *   run  CWD  ARGC  ARG...  NAME=VALUE...     with three descriptors (SCM_RIGHTS): stdin, stdout, stderr
 *        answers "pid N", then "exit N" or "signal N" when it ends, and closes;
 *        if the other side closes first, the program, its process group and its session are killed, and then it answers
 *        the end.
 *   hold CWD ARGC ARG... NAME=VALUE...
 *        the same as run, but the child stops (SIGSTOP) while it is still this process' equal: whoever traces it begins
 *        and continues it, and no program can.
 *   serve CWD ARGC ARG... NAME=VALUE...
 *        the same for a trusted daemon, which runs as the user `service`: no program of `student` can end it, trace
 *        it or write its files.
 *   kill
 *        kills every process but this one, waits until none is left, answers "none left" (or "some left"), and closes.
 *   end
 *        the same, but processes of root go on: the trusted agent is one, where it runs beside the host's.
 *
 * A request that is not whole is answered "too long".
 *
 * Capabilities: this process holds SETUID, SETGID, SETPCAP and KILL. A program gets none of them, only the
 * few that the lab file gives its host (as ambient capabilities, see capabilities(7)). A daemon gets NET_BIND_SERVICE
 * if the container has it, which is not for programs unless the command line says so too.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define SOCKET_FOLDER "/run/socketlab"
#define SOCKET_PATH SOCKET_FOLDER "/init.sock"
#define STUDENT 1000
#define SERVICE 999
#define DAEMON_BYTES (64 << 20)
/* linux/in6.h, which cannot be had together with netinet/in.h */
#ifndef IPV6_FREEBIND
#define IPV6_FREEBIND 78
#endif
#ifndef IPV6_TRANSPARENT
#define IPV6_TRANSPARENT 75
#endif
#ifndef IPV6_FLOWLABEL_MGR
#define IPV6_FLOWLABEL_MGR 32
#endif
#ifndef CLONE_UNTRACED
#define CLONE_UNTRACED 0x00800000
#endif
#define MOST_CONNECTIONS 256
#define MOST_BYTES 131072
#define MOST_STRINGS 4096
#if defined(__x86_64__)
#define NATIVE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE AUDIT_ARCH_AARCH64
#endif
#define OWN_CAPABILITIES (1ULL << CAP_SETUID | 1ULL << CAP_SETGID | 1ULL << CAP_SETPCAP | 1ULL << CAP_KILL)

struct connection {
    int socket;
    pid_t program; /* 0 until one was started */
    int ending;    /* whether the other side has closed: the program was killed, and its end is still to come */
};

static struct connection connections[MOST_CONNECTIONS];
static int connection_count;
static int signal_fd;
static unsigned long long granted;          /* what programs of this host may have */
static unsigned long long daemons_granted; /* what its daemons may have */

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void answer(int socket, const char *word, int number) {
    char text[64];
    int length = snprintf(text, sizeof text, number < 0 ? "%s" : "%s %d", word, number);
    send(socket, text, length, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void close_connection(int index) {
    close(connections[index].socket);
    connections[index] = connections[--connection_count];
}

static unsigned long long permitted_capabilities(void) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    if (syscall(SYS_capget, &header, data)) die("capget");
    return (unsigned long long)data[1].permitted << 32 | data[0].permitted;
}

static int set_capabilities(unsigned long long set) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    memset(data, 0, sizeof data);
    data[0].effective = data[0].permitted = data[0].inheritable = (unsigned)set;
    data[1].effective = data[1].permitted = data[1].inheritable = (unsigned)(set >> 32);
    return syscall(SYS_capset, &header, data);
}

/*
 * When memory is full, programs are ended first, and not this process, which a reset needs; see proc(5). A program
 * may take it back; to forbid that, this process would need SYS_RESOURCE, which not every engine can give.
 */
static void offer_to_be_ended(void) {
    int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (file < 0 || write(file, "1000", 4) != 4) perror("oom_score_adj");
    close(file);
}

/* In the child, before the program: give up everything but `kept`. Returns 0 if all of it worked. */
static int become_user(uid_t user, unsigned long long kept) {
    int c;
    for (c = 0; c < 64; c++)
        if (!(kept >> c & 1) && prctl(PR_CAPBSET_DROP, c, 0, 0, 0) && errno != EINVAL) return -1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) return -1;
    if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0)) return -1;
    if (setgroups(0, NULL) || setresgid(user, user, user) || setresuid(user, user, user)) return -1;
    if (set_capabilities(kept)) return -1;
    for (c = 0; c < 64; c++)
        if (kept >> c & 1 && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, c, 0, 0)) return -1;
    return 0;
}

static int become(int is_daemon) {
    /* A daemon that fills memory by a fault of its own ends; its host goes on. */
    struct rlimit memory = {DAEMON_BYTES, DAEMON_BYTES}, none = {0, 0};
    if (!is_daemon) {
        offer_to_be_ended();
        /* POSIX message queues: what one user may have of them is one number for all hosts of the machine. */
        if (setrlimit(RLIMIT_MSGQUEUE, &none)) return -1;
        return become_user(STUDENT, granted);
    }
    return setrlimit(RLIMIT_DATA, &memory) || become_user(SERVICE, daemons_granted);
}

static void become_program(int is_daemon, char **argv, char **envp, const char *cwd, const int *fds) {
    sigset_t none;
    int i, status;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    umask(022);
    for (i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0) _exit(126);
    if (isatty(0)) ioctl(0, TIOCSCTTY, 0); /* its own terminal, for job control and Ctrl-C; see tty(4) */
    if (become(is_daemon)) {
        perror("socketlab-init: giving up privilege");
        _exit(126);
    }
    if (chdir(cwd)) {
        perror(cwd);
        _exit(126);
    }
    execvpe(argv[0], argv, envp);
    status = errno == ENOENT ? 127 : 126; /* as a shell has it */
    perror(argv[0]);
    _exit(status);
}

/* How many strings there are, -1 for too many. */
static int split(char *text, int length, char **strings) {
    int count = 0, at = 0;
    while (at < length) {
        if (count == MOST_STRINGS - 1) return -1;
        strings[count++] = text + at;
        at += strlen(text + at) + 1;
    }
    strings[count] = NULL;
    return count;
}

/* Whether a request starts a program. */
static int is_start(const char *verb) {
    return !strcmp(verb, "run") || !strcmp(verb, "hold") || !strcmp(verb, "serve");
}

static pid_t start_program(char **strings, int count, const int *fds) {
    static char *argv[MOST_STRINGS];
    int argc = count > 2 ? atoi(strings[2]) : 0;
    pid_t child;
    if (argc < 1 || argc > count - 3) return -1;
    memcpy(argv, strings + 3, argc * sizeof *argv);
    argv[argc] = NULL;
    child = fork();
    if (child == 0) {
        if (!strcmp(strings[0], "hold")) raise(SIGSTOP);
        /* execvpe searches this process' own PATH, so the program's is put in place first. */
        environ = strings + 3 + argc;
        become_program(!strcmp(strings[0], "serve"), argv, environ, strings[1], fds);
    }
    return child;
}

static void report_end(pid_t child, int status) {
    int i;
    for (i = 0; i < connection_count; i++)
        if (connections[i].program == child) {
            if (WIFSIGNALED(status)) answer(connections[i].socket, "signal", WTERMSIG(status));
            else answer(connections[i].socket, "exit", WEXITSTATUS(status));
            close_connection(i);
            return;
        }
}

static void reap(int flags) {
    int status;
    pid_t child;
    while ((child = waitpid(-1, &status, flags)) > 0) report_end(child, status);
}

/*
 * A fork loses against this: kill(-1) holds the task list, and a process with a pending SIGKILL cannot fork.
 * What entered from outside (docker exec) is not our child: its own parent reaps it, a moment later. Whoever
 * asked looks for himself whether anything is left.
 */
static int kill_all(void) {
    int tries;
    for (tries = 0; tries < 500; tries++) {
        kill(-1, SIGKILL);
        reap(0);
        if (kill(-1, 0)) return 0;
        usleep(1000);
    }
    return -1;
}

/* Whether a program or a daemon runs: what is below /proc belongs to whom its process belongs. */
static int some_run(void) {
    DIR *processes = opendir("/proc");
    struct dirent *entry;
    struct stat status;
    int found = 0;
    if (!processes) return 1;
    while ((entry = readdir(processes)))
        if (atoi(entry->d_name) > 1 && !fstatat(dirfd(processes), entry->d_name, &status, 0) &&
            (status.st_uid == STUDENT || status.st_uid == SERVICE))
            found = 1;
    closedir(processes);
    return found;
}

/*
 * The same for all but root's processes: whoever is not root and has not KILL signals to his own user's only. The saved
 * user ID stays, for the way back (setresuid(2)). Meanwhile a program may signal this process, in anybody's name
 * (rt_sigqueueinfo(2)): what has come by the end is forgotten.
 */
static int end_programs(void) {
    static const uid_t users[] = {STUDENT, SERVICE};
    struct signalfd_siginfo event;
    int tries, i;
    for (tries = 0; tries < 500; tries++) {
        for (i = 0; i < 2; i++) {
            if (setresuid(users[i], users[i], 0)) return -1;
            kill(-1, SIGKILL);
            if (setresuid(0, 0, 0)) die("setresuid");
        }
        while (read(signal_fd, &event, sizeof event) == sizeof event) continue;
        reap(WNOHANG);
        if (!some_run()) return 0;
        usleep(1000);
    }
    return -1;
}

/*
 * A shell with job control puts each command into a process group of its own (setpgid(2)); the session stays. What is
 * forked while the list is read is in the next one.
 */
static void kill_session(pid_t session) {
    int round;
    for (round = 0; round < 3; round++) {
        DIR *processes = opendir("/proc");
        struct dirent *entry;
        if (!processes) return;
        while ((entry = readdir(processes))) {
            pid_t process = atoi(entry->d_name);
            if (process > 1 && getsid(process) == session) kill(process, SIGKILL);
        }
        closedir(processes);
    }
}

static void serve(int index) {
    static char text[MOST_BYTES + 1];
    static char *strings[MOST_STRINGS];
    /* One more than is wanted: that is what the space for three has room for, with its padding (cmsg(3)). */
    int socket = connections[index].socket, fds[4], fd_count = 0, count, i;
    struct iovec part = {text, MOST_BYTES};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof fds)];
    } control;
    struct msghdr message;
    struct cmsghdr *rights;
    memset(&message, 0, sizeof message);
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = &control;
    message.msg_controllen = sizeof control;
    int length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (length < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (length <= 0) { /* the agent let go of it */
        if (connections[index].program > 0) {
            kill(-connections[index].program, SIGKILL);
            kill(connections[index].program, SIGKILL); /* it may not lead its group yet */
            kill_session(connections[index].program);
            connections[index].ending = 1; /* only once it has ended are its ports free, and only then is that told */
        } else
            close_connection(index);
        return;
    }
    rights = CMSG_FIRSTHDR(&message);
    if (rights && rights->cmsg_type == SCM_RIGHTS) {
        fd_count = (rights->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        memcpy(fds, CMSG_DATA(rights), fd_count * sizeof(int));
    }
    text[length] = 0;
    count = message.msg_flags & MSG_TRUNC ? -1 : split(text, length, strings);
    if (count < 0) {
        answer(socket, "too long", -1);
        close_connection(index);
    } else if (count && (!strcmp(strings[0], "kill") || !strcmp(strings[0], "end"))) {
        answer(socket, (*strings[0] == 'k' ? kill_all() : end_programs()) ? "some left" : "none left", -1);
        for (i = 0; i < connection_count; i++)
            if (connections[i].socket == socket) close_connection(i);
    } else if (count && is_start(strings[0]) && fd_count == 3 && !connections[index].program) {
        connections[index].program = start_program(strings, count, fds);
        if (connections[index].program > 0) answer(socket, "pid", connections[index].program);
        else {
            answer(socket, "failed", errno);
            close_connection(index);
        }
    } else {
        answer(socket, "not understood", -1);
        close_connection(index);
    }
    for (i = 0; i < fd_count; i++) close(fds[i]);
}

static void welcome(int listener) {
    struct ucred peer;
    socklen_t length = sizeof peer;
    int socket = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (socket < 0) return;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) || peer.uid != 0 ||
        connection_count == MOST_CONNECTIONS) {
        close(socket);
        return;
    }
    connections[connection_count].socket = socket;
    connections[connection_count].ending = 0;
    connections[connection_count++].program = 0;
}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
#define IF(value, what) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1), RETURN(what)
#define UNLESS(value, what) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 1, 0), RETURN(what)
#define REFUSE(error) (SECCOMP_RET_ERRNO | (error))

#define WHEN(call, rules) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call, 0, rules) /* past so many if it is another */
#define OPTION(level, name) ((unsigned)(level) << 16 | (name))

/*
 * Whoever is born here inherits the filter, see seccomp(2); the engine's own stays in force too.
 *
 * Only sockets that ss(8) lists, and that the lab's networks carry: a vsock(7) leads to the machine below this one,
 * past all of them. io_uring makes sockets without socket(2), and a foreign calling convention has other numbers.
 * Only options that a host's own address, memory and end cover: none to bind what is another host's address (ip(7),
 * ipv6(7)), to get memory that is charged to nobody or to pass queues by (packet(7)), to keep something when all
 * processes have ended (a flow label).
 * Nobody escapes a trace or makes it lie: a child whose birth its tracer does not hear of (clone(2); clone3(2) has its
 * flags where no filter can read them, and libraries do without), requests that no call shows (io_setup(2)), a filter
 * that answers a call which is not made. And nobody traces: who is traced is not reaped when it was killed, until its
 * tracer likes (ptrace(2)), and whoever says that its parent traces it stops in a way that looks like its end here.
 */
static void restrict_system_calls(void) {
    struct sock_filter rules[] = {
        LOAD(arch),
        UNLESS(NATIVE, REFUSE(ENOSYS)),
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0, 1), /* x32, see syscall(2) */
        RETURN(REFUSE(ENOSYS)),
        IF(SYS_io_uring_setup, REFUSE(ENOSYS)),
        IF(SYS_io_setup, REFUSE(ENOSYS)),
        IF(SYS_clone3, REFUSE(ENOSYS)),
        IF(SYS_seccomp, REFUSE(EPERM)),
        IF(SYS_ptrace, REFUSE(EPERM)),
        WHEN(SYS_prctl, 4),
        LOAD(args[0]),
        IF(PR_SET_SECCOMP, REFUSE(EPERM)),
        RETURN(SECCOMP_RET_ALLOW),
        WHEN(SYS_clone, 4),
        LOAD(args[0]),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, CLONE_UNTRACED, 0, 1),
        RETURN(REFUSE(EPERM)),
        RETURN(SECCOMP_RET_ALLOW),
        WHEN(SYS_setsockopt, 22),
        LOAD(args[1]),
        BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 16),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        LOAD(args[2]),
        BPF_STMT(BPF_ALU | BPF_OR | BPF_X, 0),
        IF(OPTION(IPPROTO_IP, IP_FREEBIND), REFUSE(EPERM)),
        IF(OPTION(IPPROTO_IP, IP_TRANSPARENT), REFUSE(EPERM)),
        IF(OPTION(IPPROTO_IPV6, IPV6_FREEBIND), REFUSE(EPERM)),
        IF(OPTION(IPPROTO_IPV6, IPV6_TRANSPARENT), REFUSE(EPERM)),
        IF(OPTION(IPPROTO_IPV6, IPV6_FLOWLABEL_MGR), REFUSE(EPERM)),
        IF(OPTION(SOL_PACKET, PACKET_RX_RING), REFUSE(EPERM)),
        IF(OPTION(SOL_PACKET, PACKET_TX_RING), REFUSE(EPERM)),
        IF(OPTION(SOL_PACKET, PACKET_QDISC_BYPASS), REFUSE(EPERM)),
        RETURN(SECCOMP_RET_ALLOW),
        UNLESS(SYS_socket, SECCOMP_RET_ALLOW),
        LOAD(args[2]),
        IF(IPPROTO_SCTP, REFUSE(EPROTONOSUPPORT)),
        IF(IPPROTO_UDPLITE, REFUSE(EPROTONOSUPPORT)),
        LOAD(args[0]),
        IF(AF_UNIX, SECCOMP_RET_ALLOW),
        IF(AF_INET, SECCOMP_RET_ALLOW),
        IF(AF_INET6, SECCOMP_RET_ALLOW),
        IF(AF_NETLINK, SECCOMP_RET_ALLOW),
        IF(AF_PACKET, SECCOMP_RET_ALLOW),
        RETURN(REFUSE(EAFNOSUPPORT)),
    };
    struct sock_fprog filter = {sizeof rules / sizeof *rules, rules};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)) die("seccomp");
}

static int open_listener(void) {
    struct sockaddr_un address;
    int listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    memset(&address, 0, sizeof address);
    address.sun_family = AF_UNIX;
    strcpy(address.sun_path, SOCKET_PATH);
    if (mkdir(SOCKET_FOLDER, 0700) && errno != EEXIST) die(SOCKET_FOLDER);
    unlink(SOCKET_PATH);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 64))
        die(SOCKET_PATH);
    return listener;
}

static unsigned long long capability(const char *name) {
    if (!strcmp(name, "NET_BIND_SERVICE")) return 1ULL << CAP_NET_BIND_SERVICE;
    if (!strcmp(name, "NET_RAW")) return 1ULL << CAP_NET_RAW;
    errno = EINVAL;
    die(name);
    return 0;
}

int main(int argc, char **argv) {
    struct pollfd polled[MOST_CONNECTIONS + 2];
    struct signalfd_siginfo event;
    sigset_t signals;
    int listener, i, count;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    for (i = 1; i < argc; i++) granted |= capability(argv[i]);
    granted &= permitted_capabilities() & ~OWN_CAPABILITIES;
    daemons_granted = permitted_capabilities() & 1ULL << CAP_NET_BIND_SERVICE;
    listener = open_listener();
    restrict_system_calls();
    for (;;) {
        polled[0].fd = signal_fd;
        polled[1].fd = listener;
        count = connection_count;
        for (i = 0; i < count; i++) polled[i + 2].fd = connections[i].ending ? -1 : connections[i].socket;
        for (i = 0; i < count + 2; i++) polled[i].events = POLLIN, polled[i].revents = 0;
        if (poll(polled, count + 2, -1) < 0 && errno != EINTR) die("poll");
        /* Backwards, because closing one moves the last into its place. One that moved is polled again. */
        for (i = count - 1; i >= 0; i--)
            if (polled[i + 2].revents && i < connection_count && connections[i].socket == polled[i + 2].fd)
                serve(i);
        if (polled[1].revents) welcome(listener);
        while (read(signal_fd, &event, sizeof event) == sizeof event)
            if (event.ssi_signo != SIGCHLD) return 0;
        reap(WNOHANG);
    }
}
