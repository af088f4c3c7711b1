/* What the shim needs of libc and libdl, declared here: the phone's headers come with the NDK,
 * which this build does without. */
#ifndef EDGE_DEPLOY_PLATFORM_H
#define EDGE_DEPLOY_PLATFORM_H

#include <stddef.h>
#include <stdint.h>

void *dlopen(const char *path, int flags);
void *dlsym(void *library, const char *symbol);
char *dlerror(void);
void *calloc(size_t count, size_t size);
void free(void *memory);
int posix_memalign(void **memory, size_t alignment, size_t size);
int snprintf(char *text, size_t size, const char *format, ...);
size_t strlen(const char *text);
int dup(int file);
int dup2(int file, int to);
int close(int file);
int pipe2(int files[2], int flags);
long read(int file, void *memory, size_t size);

/* 32-bit Android numbers this flag differently from every other system. */
#if defined(__ANDROID__) && !defined(__LP64__)
#define NOW 0
#else
#define NOW 2
#endif
#define PIPE_NOT_BLOCKING 04000
#define STANDARD_ERROR 2

#endif
