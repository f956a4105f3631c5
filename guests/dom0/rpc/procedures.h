/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The procedures of libvirt's remote protocol that are served: number, name, access, handler.
 *
 *   FIRST  also before the connection is open
 *   READ   on every open connection
 *   WRITE  not on one that is open for reading only
 */
#pragma once

#define PROCEDURES(X)                                                             \
	/* connection */                                                          \
	X(66, AUTH_LIST, FIRST, auth_list)                                        \
	X(1, CONNECT_OPEN, FIRST, connect_open)                                   \
	X(2, CONNECT_CLOSE, FIRST, connect_close)                                 \
	X(60, CONNECT_SUPPORTS_FEATURE, FIRST, connect_feature)                   \
	X(3, CONNECT_GET_TYPE, READ, connect_type)                                \
	X(4, CONNECT_GET_VERSION, READ, connect_version)                          \
	X(157, CONNECT_GET_LIB_VERSION, READ, connect_version)                    \
	X(59, CONNECT_GET_HOSTNAME, READ, connect_hostname)                       \
	X(110, CONNECT_GET_URI, READ, connect_uri)                                \
	X(148, CONNECT_IS_ENCRYPTED, READ, connect_secure)                        \
	X(149, CONNECT_IS_SECURE, READ, connect_secure)                           \
	X(5, CONNECT_GET_MAX_VCPUS, READ, connect_max_vcpus)                      \
	X(360, CONNECT_REGISTER_CLOSE_CALLBACK, READ, connect_callback)           \
	X(361, CONNECT_UNREGISTER_CLOSE_CALLBACK, READ, connect_callback)         \
	/* machine */                                                             \
	X(6, NODE_GET_INFO, READ, node_info)                                      \
	X(7, CONNECT_GET_CAPABILITIES, READ, node_capabilities)                   \
	X(342, CONNECT_GET_DOMAIN_CAPABILITIES, READ, node_domain_capabilities)   \
	X(203, CONNECT_GET_SYSINFO, READ, node_sysinfo)                           \
	X(102, NODE_GET_FREE_MEMORY, READ, node_free_memory)                      \
	X(101, NODE_GET_CELLS_FREE_MEMORY, READ, node_cells_free_memory)          \
	X(228, NODE_GET_MEMORY_STATS, READ, node_memory_stats)                    \
	X(293, NODE_GET_CPU_MAP, READ, node_cpu_map)                              \
	X(227, NODE_GET_CPU_STATS, READ, node_cpu_stats)                          \
	X(158, CONNECT_COMPARE_CPU, READ, cpus_compare)                           \
	X(162, CONNECT_BASELINE_CPU, READ, cpus_baseline)                         \
	/* lists of domains */                                                    \
	X(273, CONNECT_LIST_ALL_DOMAINS, READ, list_domains)                      \
	X(51, CONNECT_NUM_OF_DOMAINS, READ, list_active_count)                    \
	X(37, CONNECT_LIST_DOMAINS, READ, list_active)                            \
	X(25, CONNECT_NUM_OF_DEFINED_DOMAINS, READ, list_inactive_count)          \
	X(21, CONNECT_LIST_DEFINED_DOMAINS, READ, list_inactive)                  \
	X(23, DOMAIN_LOOKUP_BY_NAME, READ, lookup_name)                           \
	X(24, DOMAIN_LOOKUP_BY_UUID, READ, lookup_uuid)                           \
	X(22, DOMAIN_LOOKUP_BY_ID, READ, lookup_id)                               \
	/* facts about a domain */                                                \
	X(212, DOMAIN_GET_STATE, READ, domain_state)                              \
	X(16, DOMAIN_GET_INFO, READ, domain_info)                                 \
	X(14, DOMAIN_GET_XML_DESC, READ, domain_xml)                              \
	X(150, DOMAIN_IS_ACTIVE, READ, domain_is_active)                          \
	X(151, DOMAIN_IS_PERSISTENT, READ, domain_is_persistent)                  \
	X(202, DOMAIN_IS_UPDATED, READ, domain_no)                                \
	X(183, DOMAIN_HAS_MANAGED_SAVE_IMAGE, READ, domain_no)                    \
	X(187, DOMAIN_SNAPSHOT_NUM, READ, domain_no)                              \
	X(190, DOMAIN_HAS_CURRENT_SNAPSHOT, READ, domain_no)                      \
	X(274, DOMAIN_LIST_ALL_SNAPSHOTS, READ, domain_empty_list)                \
	X(189, DOMAIN_SNAPSHOT_LOOKUP_BY_NAME, READ, snapshots_by_name)           \
	X(191, DOMAIN_SNAPSHOT_CURRENT, READ, snapshots_current)                  \
	X(186, DOMAIN_SNAPSHOT_GET_XML_DESC, READ, snapshots_of)                  \
	X(244, DOMAIN_SNAPSHOT_GET_PARENT, READ, snapshots_of)                    \
	X(246, DOMAIN_SNAPSHOT_NUM_CHILDREN, READ, snapshots_of)                  \
	X(271, DOMAIN_SNAPSHOT_IS_CURRENT, READ, snapshots_of)                    \
	X(272, DOMAIN_SNAPSHOT_HAS_METADATA, READ, snapshots_of)                  \
	X(192, DOMAIN_REVERT_TO_SNAPSHOT, WRITE, snapshots_of)                    \
	X(193, DOMAIN_SNAPSHOT_DELETE, WRITE, snapshots_of)                       \
	X(19, DOMAIN_GET_OS_TYPE, READ, domain_os_type)                           \
	X(15, DOMAIN_GET_AUTOSTART, READ, domain_autostart)                       \
	X(265, DOMAIN_GET_METADATA, READ, domain_metadata)                        \
	X(264, DOMAIN_SET_METADATA, WRITE, domain_set_metadata)                   \
	X(229, DOMAIN_GET_CONTROL_INFO, READ, domain_control)                     \
	X(263, DOMAIN_GET_DISK_ERRORS, READ, domain_empty_list)                   \
	X(163, DOMAIN_GET_JOB_INFO, READ, domain_job)                             \
	X(298, DOMAIN_GET_JOB_STATS, READ, domain_job_stats)                      \
	X(164, DOMAIN_ABORT_JOB, WRITE, jobs_abort)                               \
	/* life of a domain */                                                    \
	X(9, DOMAIN_CREATE, WRITE, life_start)                                    \
	X(196, DOMAIN_CREATE_WITH_FLAGS, WRITE, life_start_flags)                 \
	X(10, DOMAIN_CREATE_XML, WRITE, life_create)                              \
	X(11, DOMAIN_DEFINE_XML, WRITE, life_define)                              \
	X(350, DOMAIN_DEFINE_XML_FLAGS, WRITE, life_define)                       \
	X(35, DOMAIN_UNDEFINE, WRITE, life_undefine)                              \
	X(231, DOMAIN_UNDEFINE_FLAGS, WRITE, life_undefine)                       \
	X(358, DOMAIN_RENAME, WRITE, life_rename)                                 \
	X(12, DOMAIN_DESTROY, WRITE, life_destroy)                                \
	X(234, DOMAIN_DESTROY_FLAGS, WRITE, life_destroy)                         \
	X(33, DOMAIN_SHUTDOWN, WRITE, life_shutdown)                              \
	X(258, DOMAIN_SHUTDOWN_FLAGS, WRITE, life_shutdown_flags)                 \
	X(27, DOMAIN_REBOOT, WRITE, life_reboot)                                  \
	X(245, DOMAIN_RESET, WRITE, life_reset)                                   \
	X(34, DOMAIN_SUSPEND, WRITE, life_suspend)                                \
	X(28, DOMAIN_RESUME, WRITE, life_resume)                                  \
	X(210, DOMAIN_INJECT_NMI, WRITE, life_nmi)                                \
	X(29, DOMAIN_SET_AUTOSTART, WRITE, life_set_autostart)                    \
	/* virtual CPUs, memory, shares */                                        \
	X(20, DOMAIN_GET_VCPUS, READ, tune_vcpu_info)                             \
	X(18, DOMAIN_GET_MAX_VCPUS, READ, tune_max_vcpus)                         \
	X(200, DOMAIN_GET_VCPUS_FLAGS, READ, tune_vcpus)                          \
	X(32, DOMAIN_SET_VCPUS, WRITE, tune_set_vcpus)                            \
	X(199, DOMAIN_SET_VCPUS_FLAGS, WRITE, tune_set_vcpus_flags)               \
	X(230, DOMAIN_GET_VCPU_PIN_INFO, READ, tune_pins)                         \
	X(26, DOMAIN_PIN_VCPU, WRITE, tune_pin)                                   \
	X(225, DOMAIN_PIN_VCPU_FLAGS, WRITE, tune_pin)                            \
	X(17, DOMAIN_GET_MAX_MEMORY, READ, tune_max_memory)                       \
	X(30, DOMAIN_SET_MAX_MEMORY, WRITE, tune_set_max_memory)                  \
	X(31, DOMAIN_SET_MEMORY, WRITE, tune_set_memory)                          \
	X(204, DOMAIN_SET_MEMORY_FLAGS, WRITE, tune_set_memory_flags)             \
	X(56, DOMAIN_GET_SCHEDULER_TYPE, READ, tune_scheduler)                    \
	X(57, DOMAIN_GET_SCHEDULER_PARAMETERS, READ, tune_parameters)             \
	X(223, DOMAIN_GET_SCHEDULER_PARAMETERS_FLAGS, READ, tune_parameters)      \
	X(58, DOMAIN_SET_SCHEDULER_PARAMETERS, WRITE, tune_set_parameters)        \
	X(219, DOMAIN_SET_SCHEDULER_PARAMETERS_FLAGS, WRITE, tune_set_parameters) \
	/* devices of a domain */                                                 \
	X(8, DOMAIN_ATTACH_DEVICE, WRITE, plug_attach)                            \
	X(160, DOMAIN_ATTACH_DEVICE_FLAGS, WRITE, plug_attach_flags)              \
	X(174, DOMAIN_UPDATE_DEVICE_FLAGS, WRITE, plug_update)                    \
	X(13, DOMAIN_DETACH_DEVICE, WRITE, plug_detach)                           \
	X(161, DOMAIN_DETACH_DEVICE_FLAGS, WRITE, plug_detach_flags)              \
	/* counters */                                                            \
	X(344, CONNECT_GET_ALL_DOMAIN_STATS, READ, domstats)                      \
	X(159, DOMAIN_MEMORY_STATS, READ, counters_memory)                        \
	X(262, DOMAIN_GET_CPU_STATS, READ, counters_cpu)                          \
	X(64, DOMAIN_BLOCK_STATS, READ, counters_block)                           \
	X(243, DOMAIN_BLOCK_STATS_FLAGS, READ, counters_block_flags)              \
	X(194, DOMAIN_GET_BLOCK_INFO, READ, counters_block_info)                  \
	X(65, DOMAIN_INTERFACE_STATS, READ, counters_interface)                   \
	X(353, DOMAIN_INTERFACE_ADDRESSES, READ, counters_addresses)              \
	/* console and news */                                                    \
	X(201, DOMAIN_OPEN_CONSOLE, WRITE, stream_console)                        \
	X(211, DOMAIN_SCREENSHOT, READ, screen_shot)                              \
	X(226, DOMAIN_SEND_KEY, WRITE, screen_send_key)                           \
	X(316, CONNECT_DOMAIN_EVENT_CALLBACK_REGISTER_ANY, READ, hear_domains)    \
	X(317, CONNECT_DOMAIN_EVENT_CALLBACK_DEREGISTER_ANY, READ, hear_no_more)  \
	X(313, CONNECT_NETWORK_EVENT_REGISTER_ANY, READ, hear_networks)           \
	X(314, CONNECT_NETWORK_EVENT_DEREGISTER_ANY, READ, hear_no_more)          \
	X(368, CONNECT_STORAGE_POOL_EVENT_REGISTER_ANY, READ, hear_pools)         \
	X(369, CONNECT_STORAGE_POOL_EVENT_DEREGISTER_ANY, READ, hear_no_more)     \
	X(374, CONNECT_NODE_DEVICE_EVENT_REGISTER_ANY, READ, hear_devices)        \
	X(375, CONNECT_NODE_DEVICE_EVENT_DEREGISTER_ANY, READ, hear_no_more)      \
	/* networks and cards */                                                  \
	X(283, CONNECT_LIST_ALL_NETWORKS, READ, networks_list)                    \
	X(52, CONNECT_NUM_OF_NETWORKS, READ, networks_count)                      \
	X(38, CONNECT_LIST_NETWORKS, READ, networks_names)                        \
	X(46, NETWORK_LOOKUP_BY_NAME, READ, networks_by_name)                     \
	X(47, NETWORK_LOOKUP_BY_UUID, READ, networks_by_uuid)                     \
	X(43, NETWORK_GET_XML_DESC, READ, networks_xml)                           \
	X(44, NETWORK_GET_AUTOSTART, READ, networks_yes)                          \
	X(45, NETWORK_GET_BRIDGE_NAME, READ, networks_bridge)                     \
	X(152, NETWORK_IS_ACTIVE, READ, networks_yes)                             \
	X(153, NETWORK_IS_PERSISTENT, READ, networks_yes)                         \
	X(341, NETWORK_GET_DHCP_LEASES, READ, networks_leases)                    \
	X(284, CONNECT_LIST_ALL_INTERFACES, READ, cards_list)                     \
	X(128, INTERFACE_LOOKUP_BY_NAME, READ, cards_by_name)                     \
	X(156, INTERFACE_IS_ACTIVE, READ, cards_is_active)                        \
	/* devices */                                                             \
	X(285, CONNECT_LIST_ALL_NODE_DEVICES, READ, devices_list)                 \
	X(111, NODE_NUM_OF_DEVICES, READ, devices_count)                          \
	X(112, NODE_LIST_DEVICES, READ, devices_names)                            \
	X(113, NODE_DEVICE_LOOKUP_BY_NAME, READ, devices_by_name)                 \
	X(114, NODE_DEVICE_GET_XML_DESC, READ, devices_xml)                       \
	X(115, NODE_DEVICE_GET_PARENT, READ, devices_parent)                      \
	X(286, CONNECT_LIST_ALL_NWFILTERS, READ, answer_empty_list)               \
	X(287, CONNECT_LIST_ALL_SECRETS, READ, answer_empty_list)                 \
	/* pools and volumes */                                                   \
	X(281, CONNECT_LIST_ALL_STORAGE_POOLS, READ, pools_list)                  \
	X(84, STORAGE_POOL_LOOKUP_BY_NAME, READ, pools_by_name)                   \
	X(85, STORAGE_POOL_LOOKUP_BY_UUID, READ, pools_by_uuid)                   \
	X(391, STORAGE_POOL_LOOKUP_BY_TARGET_PATH, READ, pools_by_path)           \
	X(86, STORAGE_POOL_LOOKUP_BY_VOLUME, READ, pools_by_volume)               \
	X(88, STORAGE_POOL_GET_XML_DESC, READ, pools_xml)                         \
	X(87, STORAGE_POOL_GET_INFO, READ, pools_info)                            \
	X(154, STORAGE_POOL_IS_ACTIVE, READ, pools_is_active)                     \
	X(155, STORAGE_POOL_IS_PERSISTENT, READ, pools_yes)                       \
	X(89, STORAGE_POOL_GET_AUTOSTART, READ, pools_yes)                        \
	X(83, STORAGE_POOL_REFRESH, WRITE, pools_refresh)                         \
	X(76, STORAGE_POOL_CREATE_XML, WRITE, plans_create)                       \
	X(77, STORAGE_POOL_DEFINE_XML, WRITE, plans_define)                       \
	X(79, STORAGE_POOL_BUILD, WRITE, plans_build)                             \
	X(82, STORAGE_POOL_UNDEFINE, WRITE, plans_undefine)                       \
	X(78, STORAGE_POOL_CREATE, WRITE, pools_start)                            \
	X(90, STORAGE_POOL_SET_AUTOSTART, WRITE, pools_set_autostart)             \
	X(282, STORAGE_POOL_LIST_ALL_VOLUMES, READ, volumes_list)                 \
	X(95, STORAGE_VOL_LOOKUP_BY_NAME, READ, volumes_by_name)                  \
	X(96, STORAGE_VOL_LOOKUP_BY_KEY, READ, volumes_by_path)                   \
	X(97, STORAGE_VOL_LOOKUP_BY_PATH, READ, volumes_by_path)                  \
	X(98, STORAGE_VOL_GET_INFO, READ, volumes_info)                           \
	X(378, STORAGE_VOL_GET_INFO_FLAGS, READ, volumes_info)                    \
	X(99, STORAGE_VOL_GET_XML_DESC, READ, volumes_xml)                        \
	X(100, STORAGE_VOL_GET_PATH, READ, volumes_path)                          \
	X(93, STORAGE_VOL_CREATE_XML, WRITE, volumes_create)                      \
	X(125, STORAGE_VOL_CREATE_XML_FROM, WRITE, volumes_clone)                 \
	X(94, STORAGE_VOL_DELETE, WRITE, volumes_delete)                          \
	X(260, STORAGE_VOL_RESIZE, WRITE, volumes_resize)                         \
	X(208, STORAGE_VOL_UPLOAD, WRITE, volumes_upload)                         \
	X(209, STORAGE_VOL_DOWNLOAD, WRITE, volumes_download)

/* Procedures for things that Sampo cannot do: number, name, and the thing's name for clients. */
#define UNSUPPORTED(X)                                                                  \
	X(53, DOMAIN_CORE_DUMP, "a dump of a domain's memory")                          \
	X(54, DOMAIN_RESTORE, "restoring a domain")                                     \
	X(55, DOMAIN_SAVE, "saving a domain")                                           \
	X(232, DOMAIN_SAVE_FLAGS, "saving a domain")                                    \
	X(233, DOMAIN_RESTORE_FLAGS, "restoring a domain")                              \
	X(235, DOMAIN_SAVE_IMAGE_GET_XML_DESC, "saving a domain")                       \
	X(182, DOMAIN_MANAGED_SAVE, "saving a domain")                                  \
	X(184, DOMAIN_MANAGED_SAVE_REMOVE, "saving a domain")                           \
	X(213, DOMAIN_MIGRATE_BEGIN3, "migration")                                      \
	X(216, DOMAIN_MIGRATE_PERFORM3, "migration")                                    \
	X(302, DOMAIN_MIGRATE_BEGIN3_PARAMS, "migration")                               \
	X(303, DOMAIN_MIGRATE_PREPARE3_PARAMS, "migration")                             \
	X(305, DOMAIN_MIGRATE_PERFORM3_PARAMS, "migration")                             \
	X(306, DOMAIN_MIGRATE_FINISH3_PARAMS, "migration")                              \
	X(307, DOMAIN_MIGRATE_CONFIRM3_PARAMS, "migration")                             \
	X(364, DOMAIN_MIGRATE_START_POST_COPY, "migration")                             \
	X(185, DOMAIN_SNAPSHOT_CREATE_XML, "snapshots of a domain")                     \
	X(165, STORAGE_VOL_WIPE, "wiping a volume (vol-upload writes over it)")         \
	X(259, STORAGE_VOL_WIPE_PATTERN, "wiping a volume (vol-upload writes over it)") \
	X(80, STORAGE_POOL_DESTROY, "stopping a pool: pools are always active")         \
	X(81, STORAGE_POOL_DELETE, "deleting a pool")
