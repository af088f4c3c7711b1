/* Counts the instructions that an arm64 program executes under QEMU's user mode.
 *
 * OUT, the plugin's only argument, gets one line "EVENT COUNT" each time that the program
 *   - asks for the process group of a process MARKER + n, which does not exist ("n COUNT"),
 *   - writes to its standard output ("stdout COUNT"),
 *   - ends ("end COUNT").
 * COUNT is of all instructions since the program began. Threads are not told apart, and two that
 * run at once can lose counts: keep the program to one.
 *
 * QEMU's header is not packaged by Debian; what is used of version 1 of the interface is declared
 * here. It is the version of QEMU 5.2 to 8.2.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { SYSCALL_WRITE = 64, SYSCALL_GETPGID = 155 }; /* of arm64 Linux */
enum { MARKER = 0x3ed60000, MARKERS = 1000 };

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
enum { INLINE_ADD_U64 = 0 };

typedef struct {
    const char *target_name;
    /* More follows that is not read. */
} plugin_info;

typedef void (*translated)(plugin_id, struct qemu_plugin_tb *);
typedef void (*called)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                       uint64_t, uint64_t, uint64_t, uint64_t);
typedef void (*ended)(plugin_id, void *);

void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, translated);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id, called);
void qemu_plugin_register_atexit_cb(plugin_id, ended, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *, int, void *, uint64_t);

__attribute__((visibility("default"))) int qemu_plugin_version = 1;

static uint64_t executed;
static FILE *out;

static void count(plugin_id id, struct qemu_plugin_tb *block)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(block, INLINE_ADD_U64, &executed,
                                             qemu_plugin_tb_n_insns(block));
}

static void look(plugin_id id, unsigned cpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3,
                 uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)cpu, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number == SYSCALL_GETPGID && a1 - MARKER < MARKERS) {
        fprintf(out, "%" PRIu64 " %" PRIu64 "\n", a1 - MARKER, executed);
    } else if (number == SYSCALL_WRITE && a1 == 1) {
        fprintf(out, "stdout %" PRIu64 "\n", executed);
    }
}

static void finish(plugin_id id, void *unused)
{
    (void)id, (void)unused;
    fprintf(out, "end %" PRIu64 "\n", executed);
    fclose(out);
}

__attribute__((visibility("default"))) int qemu_plugin_install(plugin_id id,
                                                               const plugin_info *info, int count_,
                                                               char **arguments)
{
    if (strcmp(info->target_name, "aarch64") != 0 || count_ != 1 ||
        strncmp(arguments[0], "out=", 4) != 0 || !(out = fopen(arguments[0] + 4, "w"))) {
        fprintf(stderr, "instructions: give out=FILE, one that can be written, to qemu-aarch64\n");
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, count);
    qemu_plugin_register_vcpu_syscall_cb(id, look);
    qemu_plugin_register_atexit_cb(id, finish, NULL);
    return 0;
}
